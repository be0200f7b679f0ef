package module

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/sobek"
	"github.com/mccutchen/go-httpbin/v2/httpbin"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
	"go.k6.io/k6/v2/js/modulestest"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/lib/netext"
	"go.k6.io/k6/v2/lib/types"
	"go.k6.io/k6/v2/metrics"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/time/rate"
	"gopkg.in/guregu/null.v3"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// vu is one VU with the module and k6/http, in a process of its own: what it
// sends, which spans it makes and which samples it emits can be looked at.
type vu struct {
	tb       testing.TB
	runtime  *modulestest.Runtime
	module   *RootModule
	state    *lib.State
	samples  chan metrics.SampleContainer
	exporter *tracetest.InMemoryExporter
	server   *recorder
	warnings *warnings
}

// newVU makes a VU whose init code is init, moved to its first iteration.
func newVU(tb testing.TB, init string) *vu {
	tb.Helper()
	v := newInitVU(tb)
	require.NoError(tb, v.tryInit(init))
	v.start()
	return v
}

// newInitVU makes a VU that is still in its init context.
func newInitVU(tb testing.TB) *vu {
	tb.Helper()
	v := &vu{
		tb: tb, runtime: modulestest.NewRuntime(tb), module: New(), warnings: &warnings{},
		exporter: tracetest.NewInMemoryExporter(), server: newRecorder(tb),
	}
	v.runtime.VU.InitEnvField.Logger = v.warnings.logger()
	startQuietly(tb, v.module.run, v.exporter)
	require.NoError(tb, v.runtime.SetupModuleSystem(map[string]any{
		Name: v.module, "k6/http": k6http.New(),
	}, nil, nil))
	return v
}

// startQuietly starts a run without receiver, report and settler: the tests of
// the client look at attempts and spans.
func startQuietly(tb testing.TB, r *run, exporter sdktrace.SpanExporter) {
	tb.Helper()
	r.startOnce.Do(func() {
		provider, err := traced.NewProvider(context.Background(), traced.ProviderConfig{
			ServiceName: "k6", Exporter: exporter, Warn: r.warn,
		})
		require.NoError(tb, err)
		r.settings.source = "test"
		r.provider = provider
		r.store = join.New(join.Config{
			Settle: time.Hour, Linger: time.Hour, MaxTraces: 100_000,
		})
		r.builder = report.NewBuilder(report.Run{}, report.BuilderOptions{})
		tb.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	})
}

func (v *vu) tryInit(code string) error {
	_, err := v.runtime.VU.Runtime().RunString(v.replace(`
		const continuity = require('k6/x/continuity');
		const plain = require('k6/http');
		const { Client, span, instrument, uninstrument, configure, toxiproxy } = continuity;
		var http = continuity.default;
	` + code))
	return err
}

// start moves the VU to its iterations.
func (v *vu) start() {
	v.tb.Helper()
	v.samples = make(chan metrics.SampleContainer, 10_000)
	registry := v.runtime.VU.InitEnvField.Registry
	dialer := netext.NewDialer(net.Dialer{Timeout: 10 * time.Second},
		netext.NewResolver(net.LookupIP, 0, types.DNSfirst, types.DNSpreferIPv4))
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 50}
	v.tb.Cleanup(transport.CloseIdleConnections)
	v.state = &lib.State{
		Options: lib.Options{
			MaxRedirects: null.IntFrom(10), UserAgent: null.StringFrom("TestAgent"),
			SystemTags: &metrics.DefaultSystemTagSet,
			Batch:      null.IntFrom(20), BatchPerHost: null.IntFrom(20),
		},
		Logger: v.warnings.logger(), Transport: transport, BufferPool: lib.NewBufferPool(),
		Samples: v.samples, RPSLimit: rate.NewLimiter(rate.Inf, 1),
		Tags: lib.NewVUStateTags(registry.RootTagSet().WithTagsFromMap(map[string]string{
			"group": lib.RootGroupPath,
		})),
		BuiltinMetrics: v.runtime.BuiltinMetrics,
	}
	v.runtime.MoveToVUContext(v.state)
	inst := v.runtime.VU.Runtime().Get("continuity")
	require.NotNil(v.tb, inst)
}

func (v *vu) replace(code string) string {
	return strings.ReplaceAll(code, "SERVER", v.server.URL)
}

// try runs code of an iteration to the end of its event loop. The value is
// what the code returns; a promise is awaited.
func (v *vu) try(code string) (any, error) {
	rt := v.runtime.VU.Runtime()
	_, err := v.runtime.RunOnEventLoop(v.replace(
		"var $value = undefined, $error = undefined; (async () => {" + code +
			"})().then((v) => { $value = v }, (e) => { $error = String(e.message || e) })"))
	if err != nil {
		return nil, err
	}
	if failed := rt.Get("$error"); !sobek.IsUndefined(failed) {
		return nil, &scriptError{failed.String()}
	}
	value := rt.Get("$value")
	if value == nil {
		return nil, nil
	}
	return value.Export(), nil
}

type scriptError struct{ message string }

func (e *scriptError) Error() string { return e.message }

// run is try for code that must not fail.
func (v *vu) run(code string) any {
	v.tb.Helper()
	value, err := v.try(code)
	require.NoError(v.tb, err)
	return value
}

// spans returns the spans that have ended so far, in the order of their start.
func (v *vu) spans() tracetest.SpanStubs {
	v.tb.Helper()
	require.NoError(v.tb, v.module.run.provider.ForceFlush(context.Background()))
	return slices.SortedFunc(slices.Values(v.exporter.GetSpans()),
		func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
}

// clientSpans returns the CLIENT spans among them.
func (v *vu) clientSpans() (out tracetest.SpanStubs) {
	v.tb.Helper()
	for _, stub := range v.spans() {
		if stub.SpanKind.String() == "client" {
			out = append(out, stub)
		}
	}
	return out
}

// attempts returns the attempts of all traces so far, and forgets them.
func (v *vu) attempts() (out []span.Attempt) {
	for _, trace := range v.module.run.store.Drain("test", time.Now()) {
		out = append(out, trace.Attempts...)
	}
	return out
}

// attr is the value of an attribute as text; empty without it.
func attr(stub tracetest.SpanStub, key string) string {
	for _, kv := range stub.Attributes {
		if kv.Key == attribute.Key(key) {
			return kv.Value.String()
		}
	}
	return ""
}

// recorder is go-httpbin with a record of what it was asked, and a few
// endpoints that fail.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []recorded
	failures map[string]int
}

type recorded struct {
	method, path string
	header       http.Header
	body         string
}

func newRecorder(tb testing.TB) *recorder {
	tb.Helper()
	r := &recorder{failures: make(map[string]int)}
	mux := http.NewServeMux()
	mux.Handle("/", httpbin.New().Handler())
	mux.HandleFunc("/flaky/{times}/{status}", r.flaky)
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9")
		_, _ = io.WriteString(w, "cut")
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	})
	r.Server = httptest.NewServer(http.HandlerFunc(
		func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			req.Body = io.NopCloser(strings.NewReader(string(body)))
			r.mu.Lock()
			r.requests = append(r.requests, recorded{
				req.Method, req.URL.RequestURI(), req.Header.Clone(), string(body),
			})
			r.mu.Unlock()
			mux.ServeHTTP(w, req)
		}))
	tb.Cleanup(r.Close)
	return r
}

const page = `<html><head><title>Page</title></head><body>
<a href="/get?link=1">link</a><a id="self" href="/page">self</a>
<form method="post" action="/post"><input name="a" value="1"/>
<input type="submit" name="go" value="yes"/></form></body></html>`

// flaky fails so many times per URL with the status, and then answers.
func (r *recorder) flaky(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	key := req.URL.RequestURI()
	r.failures[key]++
	count := r.failures[key]
	r.mu.Unlock()
	if after := req.URL.Query().Get("after"); after != "" {
		w.Header().Set("Retry-After", after)
	}
	times, status := number(req.PathValue("times")), number(req.PathValue("status"))
	if count > times {
		status = http.StatusOK
	}
	if status == 0 { // drop the connection
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

func number(s string) (n int) {
	for _, digit := range s {
		n = n*10 + int(digit-'0')
	}
	return n
}

// seen returns the requests so far.
func (r *recorder) seen() []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]recorded(nil), r.requests...)
}

// warnings collects what is logged.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

func (w *warnings) logger() logrus.FieldLogger {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	logger.AddHook(w)
	return logger
}

// Levels implements logrus.Hook.
func (w *warnings) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (w *warnings) Fire(entry *logrus.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, entry.Message)
	return nil
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.lines...)
}

// newInitVUForErrors is a VU for init code that is going to fail.
func newInitVUForErrors(tb testing.TB) *vu {
	tb.Helper()
	v := &vu{
		tb: tb, runtime: modulestest.NewRuntime(tb), module: New(), warnings: &warnings{},
		server: &recorder{Server: &httptest.Server{}},
	}
	startQuietly(tb, v.module.run, tracetest.NewInMemoryExporter())
	require.NoError(tb, v.runtime.SetupModuleSystem(map[string]any{
		Name: v.module, "k6/http": k6http.New(),
	}, nil, nil))
	return v
}

// replaceScope puts the options that only a client has into a list of them.
func replaceScope(message, scope string) string {
	return strings.Replace(message, "SCOPE", scope, 1)
}
