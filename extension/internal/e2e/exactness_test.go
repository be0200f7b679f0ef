package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/shop"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// The load of one seed.
const (
	exactWorkers  = 8
	exactRequests = 100 // per worker
)

// fates are what happens to a request, with its share in percent; the rest
// fares well. The request says in X-Fate what the toxics and the double are to do.
func fates() map[string]int {
	return map[string]int{
		"strip": 6, "mangle": 6, "mangle-parent": 6, "mangle-flags": 6, "mangle-invalid": 6,
		"abort": 5, "replace": 5, "double": 8, "reset-before": 4, "reset-after": 4,
		"strip-reset": 4,
	}
}

// fateToxics are the toxics, by the fate that selects them.
func fateToxics() map[string]faults.Toxic {
	context := []any{"traceparent"}
	mangle := func(as string) faults.Toxic {
		return faults.Toxic{
			Type: "http_header", Attributes: map[string]any{"mangle": context, "mangle_as": as},
		}
	}
	return map[string]faults.Toxic{
		"mangle-parent":  mangle("parent"),
		"mangle-flags":   mangle("flags"),
		"mangle-invalid": mangle("invalid"),

		"strip":        {Type: "http_header", Attributes: map[string]any{"remove": context}},
		"mangle":       {Type: "http_header", Attributes: map[string]any{"mangle": context}},
		"abort":        {Type: "http_status", Attributes: map[string]any{"mode": "abort"}},
		"replace":      {Type: "http_status", Attributes: map[string]any{"mode": "replace"}},
		"reset-before": {Type: "http_reset", Attributes: map[string]any{"when": "before"}},
		"reset-after":  {Type: "http_reset", Attributes: map[string]any{"when": "after"}},
		"strip-reset":  {Type: "http_header", Attributes: map[string]any{"remove": context}},
	}
}

// double stands before the gateway. It knows nothing of traces, sends a
// request on once, or twice when it is told to, and counts, by the attempt that
// the User-Agent names, how often the gateway had it. A client that goes away
// does not stop it.
type double struct {
	gateway string
	client  *http.Client
	mu      sync.Mutex
	handled map[tracecontext.Correlation]int
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	attempt, _ := tracecontext.FindCorrelation(r.UserAgent())
	times := 1
	if r.Header.Get("X-Fate") == "double" {
		times = 2
	}
	status := http.StatusOK
	for range times {
		var err error
		if status, err = d.pass(r); err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		d.mu.Lock()
		d.handled[attempt]++
		d.mu.Unlock()
	}
	w.WriteHeader(status)
}

// pass sends a request on to the gateway and returns its status.
func (d *double) pass(r *http.Request) (int, error) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method,
		d.gateway+r.URL.Path, nil)
	if err != nil {
		return 0, err
	}
	req.Header = r.Header.Clone()
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// exact is the whole chain in one process: traced load, toxiproxy, the double,
// the demo services with their OpenTelemetry SDKs, receiver, join and verdicts.
type exact struct {
	t       *testing.T
	store   *join.Store
	client  *traced.Client
	double  *double
	proxy   string
	mu      sync.Mutex
	fates   map[tracecontext.SpanID]string
	results []verdict.Result
	traces  []*join.Trace
}

// Expects is part of traced.Sink, as are the methods below it.
func (x *exact) Expects() bool { return true }

// Finish stands for Attempt and Close.
func (x *exact) Finish(a span.Attempt) { x.store.Finish(a, time.Now()) }

// Whole is never called, as spans are expected.
func (x *exact) Whole(span.Attempt) { x.t.Error("a trace was not announced") }

// Open announces a trace.
func (x *exact) Open(id tracecontext.TraceID)  { x.store.Open(id, time.Now()) }
func (x *exact) Attempt(a span.Attempt)        { x.store.Attempt(a, time.Now()) }
func (x *exact) Close(id tracecontext.TraceID) { x.store.Close(id, time.Now()) }

// startShop runs the demo services until the returned function, which
// returns when their last spans are exported.
func startShop(t *testing.T, endpoint string, seed uint64) (gateway string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- shop.Run(ctx, shop.Config{
			Endpoint: endpoint, Gateway: "127.0.0.1:0", Inventory: "127.0.0.1:0",
			Pricing: "127.0.0.1:0", Seed: seed, Batch: 100 * time.Millisecond,
			Ready: func(service, address string) {
				if service == "gateway" {
					ready <- "http://" + address
				}
			},
			Warn: func(message string) { t.Error(message) },
		})
	}()
	select {
	case gateway = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return gateway, func() { cancel(); assert.NoError(t, <-ended) }
}

func (x *exact) startProxy(ctl faults.Controller, upstream string) {
	ctx := context.Background()
	proxy, err := ctl.AddProxy(ctx, faults.ProxyConfig{Name: "shop", Upstream: upstream})
	require.NoError(x.t, err)
	x.proxy = "http://" + proxy.Listen
	add := func(name, fate string, toxic faults.Toxic) {
		toxic.Proxy, toxic.Name = "shop", name
		toxic.Attributes["match"] = map[string]any{"header": map[string]any{"X-Fate": fate}}
		require.NoError(x.t, ctl.AddToxic(ctx, toxic))
	}
	for fate, toxic := range fateToxics() {
		add(fate, fate, toxic)
	}
	add("reset-stripped", "strip-reset", fateToxics()["reset-after"])
}

// request sends one traced request with a fate.
func (x *exact) request(base http.RoundTripper, n int, fate string) {
	paths := []string{"/products", "/products/7"}
	url := x.proxy + paths[n%len(paths)]
	labels := &span.Labels{Name: url, Method: http.MethodGet}
	op := x.client.Start(context.Background(), traced.OperationConfig{
		Method: http.MethodGet, URL: url, EndsAtOnce: true,
		Labels: func(*http.Request, *http.Response, error) *span.Labels { return labels },
	})
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		x.t.Error(err)
		return
	}
	req.Header.Set("X-Fate", fate)
	resp, err := op.Transport(base, 1, 0).RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	op.End(err)
	x.mu.Lock()
	x.fates[op.LastSpanID()] = fate
	x.mu.Unlock()
}

// load sends everything as fast as it goes, with fates drawn by the seed.
func (x *exact) load(seed uint64) {
	base := &http.Transport{MaxIdleConnsPerHost: exactWorkers}
	defer base.CloseIdleConnections()
	var workers sync.WaitGroup
	for worker := range uint64(exactWorkers) {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(seed, worker))
			for n := range exactRequests {
				fate, drawn := "none", random.IntN(100)
				for _, candidate := range slices.Sorted(maps.Keys(fates())) {
					if drawn -= fates()[candidate]; drawn < 0 {
						fate = candidate
						break
					}
				}
				x.request(base, n, fate)
			}
		})
	}
	workers.Wait()
}

func (x *exact) judge(settled []*join.Trace) {
	for _, tr := range settled {
		x.traces = append(x.traces, tr)
		x.results = append(x.results, verdict.NewJudge(verdict.Options{}).Decide(tr).Results...)
	}
}

// want is the verdict that the fate of an attempt, and how often the gateway
// had it, call for.
func want(fate string, handled int) verdict.Verdict {
	switch {
	case fate == "strip" || fate == "mangle-invalid" || fate == "mangle":
		// The service starts a trace of its own, or goes on with one that nobody knows.
		return verdict.Restarted
	case fate == "mangle-parent":
		return verdict.Reparented
	case fate == "mangle-flags":
		return verdict.Missing // it is told not to sample
	case fate == "abort":
		return verdict.NotDelivered
	case handled == 0:
		return verdict.Undecided
	case fate == "strip-reset":
		return verdict.Restarted
	case handled == 1:
		return verdict.Continued
	default:
		return verdict.Duplicated
	}
}

// breaks reports whether a fate breaks the trace.
func breaks(fate string) bool { return fate == "strip" || strings.HasPrefix(fate, "mangle") }

// TestDetectedEqualsInjected compares, attempt by attempt, what was done to a
// request under full load with the verdict on it.
func TestDetectedEqualsInjected(t *testing.T) { //nolint:paralleltest // each seed is a full load
	//nolint:paralleltest // each seed is a full load
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { runExact(t, seed) })
	}
}

func runExact(t *testing.T, seed uint64) {
	t.Helper()
	x := &exact{t: t, fates: make(map[tracecontext.SpanID]string)}
	x.store = join.New(join.Config{Settle: time.Minute, Linger: 2 * time.Second})
	receiver, err := otlp.Listen(otlp.Config{GRPC: "127.0.0.1:0", Sink: func(b []span.Record) {
		x.store.Spans(b, time.Now())
	}})
	require.NoError(t, err)
	gateway, stop := startShop(t, receiver.GRPCAddr(), seed)
	x.double = &double{
		gateway: gateway, handled: make(map[tracecontext.Correlation]int),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * exactWorkers}},
	}
	front := httptest.NewServer(x.double)
	ctl, err := faults.NewEmbedded(faults.EmbeddedConfig{})
	require.NoError(t, err)
	x.startProxy(ctl, strings.TrimPrefix(front.URL, "http://"))
	provider, err := traced.NewProvider(context.Background(), traced.ProviderConfig{
		Getenv: func(string) string { return "" }, Warn: func(string) {},
	})
	require.NoError(t, err)
	x.client, err = traced.NewClient(provider, traced.ClientConfig{Correlate: true}, x)
	require.NoError(t, err)

	done := make(chan struct{})
	var settling sync.WaitGroup
	settling.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				x.judge(x.store.Advance(time.Now()))
			}
		}
	})
	x.load(seed)
	front.Close() // waits for the requests whose client has gone
	x.double.client.CloseIdleConnections()
	stop() // exports the last spans
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, receiver.Shutdown(ctx))
	close(done)
	settling.Wait()
	x.judge(x.store.Advance(time.Now().Add(time.Hour))) // everything due has come, or never will
	counters, err := ctl.Counters(ctx)
	require.NoError(t, err)
	require.NoError(t, ctl.Close(ctx))
	x.compare(counters)
}

// compare makes the confusion table and fails on anything beside its diagonal.
func (x *exact) compare(counters []faults.Counters) {
	t := x.t
	require.Len(t, x.results, exactWorkers*exactRequests, "attempts in, verdicts out")
	table := make(map[string]map[string]int)
	marked := 0
	for _, r := range x.results {
		a := r.Attempt
		fate := x.fates[a.SpanID]
		handled := x.double.handled[tracecontext.Correlation{TraceID: a.TraceID, SpanID: a.SpanID}]
		if table[fate] == nil {
			table[fate] = make(map[string]int)
		}
		table[fate][r.Verdict.String()]++
		expected := want(fate, handled)
		if !assert.Equal(t, expected.String(), r.Verdict.String(),
			"%s, handled %d times, sent %d times: %s", fate, handled, a.Sends, r.Reason) {
			x.explain(a)
		}
		assert.Equal(t, breaks(fate), r.Injected, fate)
		assert.False(t, r.Inferred, fate)
		if r.Verdict == verdict.Duplicated {
			assert.Equal(t, handled <= int(a.Sends), r.Explained, fate)
		}
		assert.Equal(t, fate == "strip-reset" && r.Verdict.Broken(), r.Unsure(), fate)
		if r.Verdict.Broken() && !r.Unsure() {
			marked++
		}
	}
	for fate, detected := range table {
		t.Logf("injected %-12s detected %v", fate, detected)
	}
	injected := 0
	for _, c := range counters {
		switch c.Name {
		case "abort", "replace":
			require.Equal(t, sum(table[c.Name]), int(c.Injected), c.Name)
		default:
			if breaks(c.Name) {
				require.Equal(t, sum(table[c.Name]), int(c.Injected), c.Name)
				injected += int(c.Injected)
			}
		}
	}
	require.Equal(t, injected, marked, "injected breaks = detected breaks")
	stats := x.store.Stats()
	require.Zero(t, stats.Late+stats.Truncated+stats.Evicted, "spans are lost: %+v", stats)
}

// explain logs the spans of a trace whose verdict is wrong.
func (x *exact) explain(a *span.Attempt) {
	for _, tr := range x.traces {
		if tr.ID != a.TraceID {
			continue
		}
		for _, r := range append(tr.Spans, tr.Claimed...) {
			x.t.Logf("%v %s %v below %v", r.Kind, r.Descriptor.Service, r.SpanID, r.ParentID)
		}
	}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
