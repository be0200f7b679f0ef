package module

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
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
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"
	"gopkg.in/guregu/null.v3"
)

const (
	benchVUs      = 20
	benchRequests = 20 // per VU and round
)

// BenchmarkTracedAgainstPlain sends the same requests through k6/http and
// through our default export, in rounds that alternate, from 20 VUs over kept
// connections to a server in this process.
//
//   - none: a whole run with neither export nor receiver
//   - receiver: receiver and join on; the server sends a SERVER span per request
//   - export: client spans exported over OTLP/gRPC to an endpoint that takes all
func BenchmarkTracedAgainstPlain(b *testing.B) {
	for _, name := range []string{"none", "receiver", "export"} {
		b.Run(name, func(b *testing.B) {
			server := newBenchServer(b)
			module := New()
			switch name {
			case "none":
				startWithoutSource(b, module.run)
			case "receiver":
				server.receiver = startWithReceiver(b, module.run)
			case "export":
				startWithExport(b, module.run)
			}
			vus := make([]*benchVU, benchVUs)
			for i := range vus {
				vus[i] = newBenchVU(b, module, server.URL)
			}
			traced := compareSides(b, vus, 1)
			switch stats := module.run.spans(); name {
			case "receiver":
				b.ReportMetric(float64(stats.Received)/float64(traced.requests), "spans/req")
			case "export":
				b.ReportMetric(float64(stats.Exported)/float64(traced.requests), "spans/req")
			}
		})
	}
}

// benchVU is a VU with one function per side.
type benchVU struct {
	state         *lib.State
	plain, traced sobek.Callable
}

func newBenchVU(b *testing.B, module *RootModule, url string) *benchVU {
	b.Helper()
	rt := modulestest.NewRuntime(b)
	require.NoError(b, rt.SetupModuleSystem(map[string]any{
		Name: module, "k6/http": k6http.New(),
	}, nil, nil))
	_, err := rt.VU.Runtime().RunString(strings.NewReplacer("URL", url, "N", strconv.Itoa(benchRequests)).Replace(`
		const loop = (http) => () => {
			for (let i = 0; i < N; i++) {
				if (http.get('URL/', {tags: {name: 'bench'}}).status !== 200) throw new Error('failed');
			}
		};
		const plain = loop(require('k6/http')), traced = loop(require('k6/x/continuity').default);`))
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
	_, err := r.start()
	require.NoError(b, err)
	b.Cleanup(func() {
		close(r.settler.stop)
		r.settler.stopped.Wait()
		_ = r.receiver.Shutdown(context.Background())
	})
	return "http://" + r.receiver.HTTPAddr() + "/v1/traces"
}

// benchServer answers with a small body, and sends a SERVER span for each
// request that has a traceparent, in batches of 512, as a service would.
type benchServer struct {
	*httptest.Server
	receiver string
	mu       sync.Mutex
	batch    []*tracepb.Span
}

func newBenchServer(b *testing.B) *benchServer {
	b.Helper()
	s := &benchServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.receiver != "" {
			s.span(r.Header.Get("Traceparent"))
		}
		_, _ = w.Write([]byte("ok"))
	}))
	b.Cleanup(s.Close)
	return s
}

func (s *benchServer) span(traceparent string) {
	if len(traceparent) != 55 {
		return
	}
	traceID, _ := hex.DecodeString(traceparent[3:35])
	parent, _ := hex.DecodeString(traceparent[36:52])
	own := bytes.Clone(parent)
	own[0] ^= 0xff
	now := uint64(time.Now().UnixNano())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch = append(s.batch, &tracepb.Span{
		TraceId: traceID, SpanId: own, ParentSpanId: parent, Name: "GET /", Flags: 0x301,
		Kind: tracepb.Span_SPAN_KIND_SERVER, StartTimeUnixNano: now, EndTimeUnixNano: now,
	})
	if len(s.batch) < 512 {
		return
	}
	body, err := proto.Marshal(&coltrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{
		{ScopeSpans: []*tracepb.ScopeSpans{{Spans: s.batch}}},
	}})
	if err != nil {
		panic(err)
	}
	s.batch = nil
	go func() {
		resp, err := http.Post(s.receiver, "application/x-protobuf", bytes.NewReader(body))
		if err == nil {
			_ = resp.Body.Close()
		}
	}()
}
