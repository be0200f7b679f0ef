package module

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/sobek"
	"github.com/stretchr/testify/require"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
	"go.k6.io/k6/v2/js/modulestest"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/metrics"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"gopkg.in/guregu/null.v3"
)

const (
	benchVUs      = 20
	benchRequests = 20 // per VU and call
)

// BenchmarkTracedAgainstPlain sends the same requests through k6/http and
// through our default export, in turns of seconds, from 20 VUs over kept
// connections to a server in this process. CPU times are of the whole process.
//
//   - none: a whole run with neither export nor receiver
//   - silent: the same, and requests go out without our headers, which client and
//     server write and read at a price that no tracing can save
//   - receiver: receiver and join on; the server sends a SERVER span per request
//   - export: client spans exported over OTLP/gRPC to an endpoint that takes all
//
// Two cores of an AMD EPYC with nothing else to do printed, in seven runs,
// traced/plain of 0.89 to 0.96 (none, 0.92 in the median), 0.77 to 0.91 (receiver,
// 0.89) and 0.72 to 0.79 (export, 0.77), where a plain request takes 54 to 65 µs of
// processor time, client and server. Ours on top:
//
//   - none: 4.6 to 7.5 µs. BenchmarkOverhead, without network and server, has 2.5 to
//     3.1 of them: 1.2 to begin an operation (half of it reads params.tags once more,
//     with 8 of our 20 allocations, as k6 does not show what it has read), 1.7 to
//     send (0.8 for the headers, 0.7 for the hooks of the connection and a copy of
//     the request), 0.6 to complete the attempt and end the operation, 0.4 to judge
//     and count, and the garbage collector's part for 2.5 kB, by a profile
//   - silent: about 5 µs, so that about 1.5 µs are the two headers, on their way
//     through client and server
//   - receiver: 9.1 to 19 µs: opening, finishing, decoding and judging, and the
//     server's own spans
//   - export: 21 to 29 µs. By a profile of k6 itself 3.3 to make the two spans with
//     the OpenTelemetry SDK, 2.3 to end them, 2.8 to write and send them, and 4 for the
//     garbage collector; the rest is the endpoint, which is in this process
func BenchmarkTracedAgainstPlain(b *testing.B) {
	for _, name := range []string{"none", "silent", "receiver", "export"} {
		b.Run(name, func(b *testing.B) {
			server := newBenchServer(b)
			module, side := New(), tracedDefault
			switch name {
			case "none":
				startWithoutSource(b, module.run)
			case "silent":
				startWithoutSource(b, module.run)
				side = tracedSilent
			case "receiver":
				server.receiver = startWithReceiver(b, module.run)
			case "export":
				startWithExport(b, module.run)
			}
			vus := make([]*benchVU, benchVUs)
			for i := range vus {
				vus[i] = newBenchVU(b, module, server.URL, side)
			}
			traced := compareSides(b, vus)
			switch stats := module.run.spans(); name {
			case "receiver":
				require.Zero(b, stats.Foreign, "every span is of an attempt")
				b.ReportMetric(float64(stats.Received)/float64(traced.sent), "spans/req")
			case "export":
				b.ReportMetric(float64(stats.Exported)/float64(traced.sent), "spans/req")
			}
		})
	}
}

// benchVU is a VU with one function per side.
type benchVU struct {
	state         *lib.State
	plain, traced sobek.Callable
}

// What the traced side sends with.
const (
	tracedDefault = `continuity.default`
	tracedSilent  = `new continuity.Client({propagators: ['none'], correlate: 'off'})`
)

func newBenchVU(b *testing.B, module *RootModule, url, traced string) *benchVU {
	b.Helper()
	rt := modulestest.NewRuntime(b)
	require.NoError(b, rt.SetupModuleSystem(map[string]any{
		Name: module, "k6/http": k6http.New(),
	}, nil, nil))
	_, err := rt.VU.Runtime().RunString(strings.NewReplacer(
		"URL", url, "N", strconv.Itoa(benchRequests), "TRACED", traced,
	).Replace(`
		const loop = (http) => () => {
			for (let i = 0; i < N; i++) {
				if (http.get('URL/', {tags: {name: 'bench'}}).status !== 200) throw new Error('failed');
			}
		};
		const continuity = require('k6/x/continuity');
		const plain = loop(require('k6/http')), traced = loop(TRACED);`))
	require.NoError(b, err)
	samples := make(chan metrics.SampleContainer, 1000)
	go func() { // k6 would aggregate them
		for {
			select {
			case <-samples:
			case <-b.Context().Done():
				return
			}
		}
	}()
	registry := rt.VU.InitEnvField.Registry
	transport := &http.Transport{DialContext: (&net.Dialer{}).DialContext, MaxIdleConnsPerHost: 2}
	b.Cleanup(transport.CloseIdleConnections)
	rt.MoveToVUContext(&lib.State{
		Options: lib.Options{
			MaxRedirects: null.IntFrom(10), UserAgent: null.StringFrom("Grafana k6"),
			SystemTags: &metrics.DefaultSystemTagSet,
		},
		Logger: (&warnings{}).logger(), Transport: transport, BufferPool: lib.NewBufferPool(),
		Samples: samples, RPSLimit: rate.NewLimiter(rate.Inf, 1),
		Tags: lib.NewVUStateTags(registry.RootTagSet().WithTagsFromMap(map[string]string{
			"group": "", "scenario": "default",
		})),
		BuiltinMetrics: rt.BuiltinMetrics,
	})
	v := &benchVU{state: rt.VU.State()}
	for name, fn := range map[string]*sobek.Callable{"plain": &v.plain, "traced": &v.traced} {
		value, err := rt.VU.Runtime().RunString(name)
		require.NoError(b, err)
		*fn, _ = sobek.AssertFunction(value)
	}
	return v
}

// startWithReceiver starts a whole run, with receiver and settler, and returns
// where its receiver listens.
func startWithReceiver(b *testing.B, r *run) string {
	b.Helper()
	r.settings.listenGRPC, r.settings.listenHTTP = "", "127.0.0.1:0"
	r.settings.results = b.TempDir()
	r.lookup = func(string) (string, bool) { return "", false }
	r.env = func() []string { return nil }
	_, err := r.start()
	require.NoError(b, err)
	b.Cleanup(func() {
		close(r.settler.stop)
		r.settler.stopped.Wait()
		_ = r.receiver.Shutdown(context.Background())
	})
	return "http://" + r.receiver.HTTPAddr() + "/v1/traces"
}

// benchServer answers with a small body. With a receiver it sends a SERVER span
// for each request that has a traceparent, in batches of 512, as a service would
// that costs the machine next to nothing: the spans are copies of one template.
type benchServer struct {
	URL      string
	receiver string
	template []byte // an encoded span, whose ids are zero
	mu       sync.Mutex
	batch    []byte // encoded scope spans
	spans    int
}

const benchBatch = 512

func newBenchServer(b *testing.B) *benchServer {
	b.Helper()
	s := &benchServer{}
	now := uint64(time.Now().UnixNano())
	var err error
	s.template, err = proto.Marshal(&tracepb.Span{
		TraceId: make([]byte, 16), SpanId: make([]byte, 8), ParentSpanId: make([]byte, 8),
		Name: "GET /", Flags: 0x301, Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: now, EndTimeUnixNano: now,
	})
	require.NoError(b, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s.URL = "http://" + listener.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: s}
	go func() { _ = server.Serve(listener) }() // until Close
	b.Cleanup(func() { _ = server.Close() })
	return s
}

// ServeHTTP implements http.Handler.
func (s *benchServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.receiver != "" {
		s.span(r.Header.Get("Traceparent"))
	}
	_, _ = w.Write([]byte("ok"))
}

// Where the ids are in an encoded span: each behind a tag and a length.
const (
	traceAt  = 2
	spanAt   = traceAt + 16 + 2
	parentAt = spanAt + 8 + 2
)

func (s *benchServer) span(traceparent string) {
	if len(traceparent) != 55 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch = protowire.AppendTag(s.batch, 2, protowire.BytesType) // ScopeSpans.spans
	s.batch = protowire.AppendBytes(s.batch, s.template)
	own := s.batch[len(s.batch)-len(s.template):]
	_, _ = hex.Decode(own[traceAt:], []byte(traceparent[3:35]))
	_, _ = hex.Decode(own[spanAt:], []byte(traceparent[36:52]))
	own[spanAt] ^= 0xff
	_, _ = hex.Decode(own[parentAt:], []byte(traceparent[36:52]))
	if s.spans++; s.spans == benchBatch {
		go s.send(s.batch)
		s.batch, s.spans = nil, 0
	}
}

// send posts a batch to the receiver.
func (s *benchServer) send(scope []byte) {
	resource := protowire.AppendTag(nil, 2, protowire.BytesType) // ResourceSpans.scope_spans
	resource = protowire.AppendBytes(resource, scope)
	body := protowire.AppendTag(nil, 1, protowire.BytesType) // resource_spans
	body = protowire.AppendBytes(body, resource)
	resp, err := http.Post(s.receiver, "application/x-protobuf", bytes.NewReader(body))
	if err == nil {
		_ = resp.Body.Close()
	}
}
