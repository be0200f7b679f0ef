package traced

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// sinkLog is a sink that remembers, in order.
type sinkLog struct {
	mu       sync.Mutex
	attempts []span.Attempt
	events   []string
	deaf     bool // expects nothing
}

func (s *sinkLog) Expects() bool { return !s.deaf }

func (s *sinkLog) Whole(a span.Attempt) { s.Attempt(a) }

func (s *sinkLog) Finish(a span.Attempt) {
	s.Attempt(a)
	s.Close(a.TraceID)
}

func (s *sinkLog) Open(id tracecontext.TraceID)  { s.log("open " + id.String()) }
func (s *sinkLog) Close(id tracecontext.TraceID) { s.log("close " + id.String()) }

func (s *sinkLog) Attempt(a span.Attempt) {
	s.log("attempt " + a.TraceID.String())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, a)
}

func (s *sinkLog) log(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
}

func (s *sinkLog) all() []span.Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts)
}

// samplerLog is an SDK sampler that remembers what it was shown.
type samplerLog struct {
	mu    sync.Mutex
	shown []sdktrace.SamplingParameters
}

func (s *samplerLog) Description() string { return "log" }

func (s *samplerLog) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Attributes = slices.Clone(p.Attributes)
	s.shown = append(s.shown, p)
	return sdktrace.AlwaysSample().ShouldSample(p)
}

// client is what the sampler saw of the n-th CLIENT span.
func (s *samplerLog) client(tb testing.TB, n int) map[string]attribute.Value {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.shown {
		if p.Kind == trace.SpanKindClient {
			if n == 0 {
				return attributesOf(p.Attributes)
			}
			n--
		}
	}
	require.Fail(tb, "the sampler saw too few client spans")
	return nil
}

// rig is a provider with everything that looks at it.
type rig struct {
	tb       testing.TB
	provider *Provider
	exporter *tracetest.InMemoryExporter
	sampler  *samplerLog
	sink     *sinkLog
	mu       sync.Mutex
	warnings []string
	base     *http.Transport
}

func newRig(tb testing.TB, env map[string]string) *rig {
	tb.Helper()
	r := &rig{
		tb: tb, exporter: tracetest.NewInMemoryExporter(), sampler: &samplerLog{},
		sink: &sinkLog{}, base: newBase(tb),
	}
	var err error
	r.provider, err = NewProvider(tb.Context(), ProviderConfig{
		ServiceName: "k6", ServiceVersion: "2.2.0", Version: "1.2.3", Exporter: r.exporter,
		Getenv: func(name string) string { return env[name] }, Warn: r.warn,
	})
	require.NoError(tb, err)
	r.provider.useSDK("1.2.3", sdktrace.WithSampler(handsOver{r.sampler}))
	tb.Cleanup(func() {
		require.NoError(tb, r.provider.Shutdown(context.Background()))
	})
	return r
}

// newBase is a transport of its own, with connections of its own.
func newBase(tb testing.TB) *http.Transport {
	tb.Helper()
	base := &http.Transport{}
	tb.Cleanup(base.CloseIdleConnections)
	return base
}

func (r *rig) warn(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warnings = append(r.warnings, message)
}

func (r *rig) client(config ClientConfig) *Client {
	r.tb.Helper()
	c, err := NewClient(r.provider, config, r.sink)
	require.NoError(r.tb, err)
	return c
}

// operation is a plain operation config for a URL.
func operation(method, url string) OperationConfig {
	return OperationConfig{
		Method: method, URL: url, DefaultUserAgent: "k6/test",
		Labels: func(req *http.Request, _ *http.Response, _ error) *span.Labels {
			return &span.Labels{Method: req.Method}
		},
	}
}

// send is one request of one operation, its body read and closed.
func (r *rig) send(config ClientConfig, req *http.Request) error {
	r.tb.Helper()
	op := r.client(config).Start(req.Context(), operation(req.Method, req.URL.String()))
	err := r.through(op, req)
	op.End(err)
	return err
}

// through sends one request through an operation.
func (r *rig) through(op *Operation, req *http.Request) error {
	client := &http.Client{Transport: op.Transport(r.base, 1, 0)}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// get sends a GET and requires an answer.
func (r *rig) get(config ClientConfig, url string) {
	r.tb.Helper()
	require.NoError(r.tb, r.send(config, request(r.tb, http.MethodGet, url)))
}

func request(tb testing.TB, method, url string) *http.Request {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, url, nil)
	require.NoError(tb, err)
	return req
}

// spans are the exported spans of a kind, in order of their start.
func (r *rig) spans(kind trace.SpanKind) []tracetest.SpanStub {
	r.tb.Helper()
	require.NoError(r.tb, r.provider.ForceFlush(context.Background()))
	var out []tracetest.SpanStub
	for _, s := range r.exporter.GetSpans() {
		if s.SpanKind == kind {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b tracetest.SpanStub) int {
		return a.StartTime.Compare(b.StartTime)
	})
	return out
}

// one is the only CLIENT span.
func (r *rig) one() tracetest.SpanStub {
	r.tb.Helper()
	spans := r.spans(trace.SpanKindClient)
	require.Len(r.tb, spans, 1)
	return spans[0]
}

// attempt is the only attempt.
func (r *rig) attempt() span.Attempt {
	r.tb.Helper()
	attempts := r.sink.all()
	require.Len(r.tb, attempts, 1)
	return attempts[0]
}

func attributesOf(list []attribute.KeyValue) map[string]attribute.Value {
	out := make(map[string]attribute.Value, len(list))
	for _, kv := range list {
		out[string(kv.Key)] = kv.Value
	}
	return out
}

// has asserts one attribute with its type and value.
func has(tb testing.TB, attributes map[string]attribute.Value, key string, want any) {
	tb.Helper()
	value, ok := attributes[key]
	if assert.True(tb, ok, "attribute %s is missing", key) {
		assert.Equal(tb, want, value.AsInterface(), key)
	}
}

func hasNot(tb testing.TB, attributes map[string]attribute.Value, keys ...string) {
	tb.Helper()
	for _, key := range keys {
		assert.NotContains(tb, attributes, key)
	}
}

// echo answers 200 and remembers the headers of each request.
type echo struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
}

func newEcho(tb testing.TB) *echo {
	tb.Helper()
	e := &echo{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		e.mu.Lock()
		e.headers = append(e.headers, req.Header.Clone())
		e.mu.Unlock()
		w.Header()["X-Answer"] = []string{"one", "two"}
		_, _ = io.WriteString(w, "hello")
	}))
	tb.Cleanup(e.Close)
	return e
}

// seen are the headers of the n-th request.
func (e *echo) seen(n int) http.Header {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.headers[n]
}

// hostPort splits a server's URL.
func hostPort(url string) string { return strings.TrimPrefix(url, "http://") }

func serve(tb testing.TB, handler http.HandlerFunc) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return server
}
