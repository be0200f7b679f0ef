package shop

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// catalogue is what the shop sells.
const catalogue = `[{"id":1,"name":"kettle"},{"id":2,"name":"toaster"},` +
	`{"id":3,"name":"lamp"},{"id":4,"name":"chair"},{"id":5,"name":"desk"},` +
	`{"id":6,"name":"clock"},{"id":7,"name":"mirror"},{"id":8,"name":"rug"}]`

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
		f := g.config.fate(g.requests.Add(1))
		if f.loseContext {
			r.Header.Del("traceparent")
			r.Header.Del("tracestate")
		}
		r = r.WithContext(withFate(r.Context(), f))
		if f.twice { // no handler reads the body
			next.ServeHTTP(&nowhere{header: make(http.Header)}, r)
		}
		next.ServeHTTP(w, r)
	})
}

// nowhere is where the first answer to a request that is handled twice goes.
type nowhere struct{ header http.Header }

// Header implements http.ResponseWriter.
func (n *nowhere) Header() http.Header { return n.header }

// Write implements http.ResponseWriter.
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (n *nowhere) WriteHeader(int) {}

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
