package shop

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// catalogue is what the shop sells.
const catalogue = `[{"id":1,"name":"kettle"},{"id":2,"name":"toaster"},{"id":3,"name":"lamp"},` +
	`{"id":4,"name":"chair"},{"id":5,"name":"desk"},{"id":6,"name":"clock"},{"id":7,"name":"mirror"},` +
	`{"id":8,"name":"rug"}]`

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) //nolint:gosec // JSON of ours; the client may be gone
}

func inventoryRoutes(t *telemetry) http.Handler {
	mux := http.NewServeMux()
	t.handle(mux, "GET /stock/{id}", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, `{"stock":12}`)
	})
	return mux
}

func pricingRoutes(t *telemetry) http.Handler {
	mux := http.NewServeMux()
	t.handle(mux, "GET /price/{id}", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, `{"price":1995}`)
	})
	return mux
}

// gateway is the service that the load calls.
type gateway struct {
	config             Config
	inventory, pricing string
	client             *http.Client
	requests           atomic.Uint64
}

func gatewayRoutes(t *telemetry, c Config, inventory, pricing string) http.Handler {
	g := &gateway{config: c, inventory: inventory, pricing: pricing, client: t.client()}
	traced := http.NewServeMux()
	t.handle(traced, "GET /products", g.products)
	t.handle(traced, "GET /products/{id}", g.product)
	t.handle(traced, "POST /cart", g.cart)
	t.handle(traced, "POST /checkout", g.checkout)
	root := http.NewServeMux()
	root.Handle("/", g.misbehave(traced))
	root.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, `{"status":"ok"}`)
	})
	return root
}

// misbehave draws, per request, what goes wrong with it.
func (g *gateway) misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := g.requests.Add(1)
		if g.draw(n, 1, g.config.DropContext) {
			r.Header.Del("traceparent")
			r.Header.Del("tracestate")
		}
		ctx := r.Context()
		fate := fate{
			fail: g.draw(n, 2, g.config.Fail), loseSpan: g.draw(n, 3, g.config.DropSpans),
		}
		if g.draw(n, 4, g.config.Slow) {
			fate.wait = g.config.SlowBy
		}
		next.ServeHTTP(w, r.WithContext(withFate(ctx, fate)))
	})
}

// draw decides for the n-th request: the same seed, the same choices. The
// mixer is SplitMix64 (https://doi.org/10.1145/2714064.2660195).
func (g *gateway) draw(n, purpose uint64, share float64) bool {
	if share <= 0 {
		return false
	}
	z := g.config.Seed*0x9E3779B97F4A7C15 + n*0xBF58476D1CE4E5B9 + purpose*0x94D049BB133111EB
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>11)/(1<<53) < share
}

// suffer applies the fate of the request; it returns false when it was answered.
func (g *gateway) suffer(w http.ResponseWriter, r *http.Request) bool {
	fate := fateOf(r.Context())
	if fate.loseSpan {
		loseSpan(r)
	}
	if fate.wait > 0 {
		timer := time.NewTimer(fate.wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	if fate.fail {
		writeJSON(w, http.StatusServiceUnavailable, `{"error":"unavailable"}`)
		return false
	}
	return true
}

func (g *gateway) products(w http.ResponseWriter, r *http.Request) {
	if g.suffer(w, r) {
		writeJSON(w, http.StatusOK, catalogue)
	}
}

func (g *gateway) product(w http.ResponseWriter, r *http.Request) {
	if g.suffer(w, r) && g.call(w, r, g.inventory+"/stock/"+r.PathValue("id")) {
		writeJSON(w, http.StatusOK, `{"id":`+r.PathValue("id")+`,"stock":12}`)
	}
}

func (g *gateway) cart(w http.ResponseWriter, r *http.Request) {
	if g.suffer(w, r) && g.call(w, r, g.pricing+"/price/1") {
		writeJSON(w, http.StatusOK, `{"items":1,"total":1995}`)
	}
}

func (g *gateway) checkout(w http.ResponseWriter, r *http.Request) {
	if g.suffer(w, r) && g.call(w, r, g.inventory+"/stock/1") &&
		g.call(w, r, g.pricing+"/price/1") {
		writeJSON(w, http.StatusCreated, `{"order":"placed"}`)
	}
}

// call asks another service; on failure it answers 502 and returns false.
func (g *gateway) call(w http.ResponseWriter, r *http.Request, url string) bool {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, `{"error":"bad product"}`)
		return false
	}
	resp, err := g.client.Do(req) //nolint:gosec // the host is ours, the path is escaped
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close() // read to its end
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("answered %s", resp.Status)
		}
	}
	if err != nil {
		writeJSON(w, http.StatusBadGateway, `{"error":"upstream failed"}`)
		return false
	}
	return true
}
