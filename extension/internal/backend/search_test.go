package backend_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// claimOf names the attempt that [run.send] sends in a trace.
func claimOf(n uint64) tracecontext.Correlation {
	return tracecontext.Correlation{TraceID: idOf(n), SpanID: tracecontext.SpanID{7: 0xa1}}
}

// agentOf is the User-Agent of that attempt.
func agentOf(n uint64) string { return claimOf(n).Append("k6/test ") }

// newTraceOf is the id of the trace that a service began instead of continuing
// trace n. Its first digits are zeros, which some backends leave out.
func newTraceOf(n uint64) tracecontext.TraceID {
	id := idOf(1000 + n)
	id[0] = 0
	return id
}

// restartedOf is the trace that a service began instead of continuing trace n.
func restartedOf(n uint64) string {
	return fmt.Sprintf(`{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":`+
		`"service.name","value":{"stringValue":"inventory"}}]},"scopeSpans":[{"scope":{},"spans":`+
		`[{"traceId":"%s","spanId":"00000000000000b2","name":"GET","kind":2,`+
		`"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000100000000",`+
		`"attributes":[{"key":"user_agent.original","value":{"stringValue":"%s"}}],`+
		`"status":{}}]}]}]}}`, newTraceOf(n), agentOf(n))
}

// searched is a Jaeger that has no trace of its own for any attempt, and whose
// search answers as found says.
type searched struct {
	found func(service, tags string) (status int, body string)

	mu      sync.Mutex
	queries []url.Values
}

func (s *searched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/v3/services":
		_, _ = fmt.Fprint(w, `{"services":["gateway","inventory"]}`)
	case "/api/traces":
		s.mu.Lock()
		s.queries = append(s.queries, r.URL.Query())
		s.mu.Unlock()
		status, body := s.found(r.URL.Query().Get("service"), r.URL.Query().Get("tags"))
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	default:
		for n := range uint64(10) {
			if strings.HasSuffix(r.URL.Path, newTraceOf(n).String()) {
				_, _ = fmt.Fprint(w, restartedOf(n))
				return
			}
		}
		fails(http.StatusNotFound, jaeger404)(w, 1)
	}
}

// jaegerFound is Jaeger's answer to a search.
func jaegerFound(ids ...string) string {
	var data []string
	for _, id := range ids {
		data = append(data, `{"traceID":"`+id+`","spans":[],"processes":{},"warnings":null}`)
	}
	return `{"data":[` + strings.Join(data, ",") + `],"total":0,"limit":0,"offset":0,"errors":null}`
}

func TestAJaegerIsSearchedForRestartedTraces(t *testing.T) {
	t.Parallel()
	s := &searched{found: func(service, tags string) (int, string) {
		has := func(key string, n uint64) bool { return tags == `{"`+key+`":"`+agentOf(n)+`"}` }
		switch {
		case service == "inventory" && has("user_agent.original", 1):
			return http.StatusOK, jaegerFound(newTraceOf(1).String())
		case service == "inventory" && has("http.user_agent", 2):
			// The attempt's own trace, and an id without its leading zero digits.
			return http.StatusOK, jaegerFound(idOf(2).String(),
				strings.TrimLeft(newTraceOf(2).String(), "0"))
		case has("user_agent.original", 4):
			return http.StatusInternalServerError, "storage is down"
		case has("user_agent.original", 5):
			return http.StatusOK, `{"data":null,"errors":[{"code":500,"msg":"shard is gone"}]}`
		case has("user_agent.original", 6):
			return http.StatusOK, "<html>"
		case service == "inventory" && has("user_agent.original", 7):
			return http.StatusOK, jaegerFound("77") // which cannot be fetched
		default:
			return http.StatusOK, jaegerFound()
		}
	}}
	base := serve(t, s.ServeHTTP)
	r := newRun(t, "jaeger="+base.String(), 0)
	for n := range uint64(7) {
		r.send(idOf(n + 1))
	}
	r.judge()
	const doubt = "undecided the source could not tell: jaeger: searching for a restarted trace: "
	r.expect(map[uint64]string{
		1: "restarted the service started a new trace", 2: "restarted", 3: "missing",
		4: doubt + `service "gateway": status 500: storage is down`,
		5: doubt + `service "gateway": shard is gone`,
		6: doubt + `service "gateway": reading answer: `,
		7: "missing",
	})
	equal(t, false, r.verdicts[idOf(1)].Inferred)
	for _, q := range s.queries {
		equal(t, "20", q.Get("limit"))
		if q.Get("start") >= q.Get("end") {
			t.Errorf("the search has no window: %v", q)
		}
	}
}

func TestASearchFindsOnlyWhatClaimsTheAttempt(t *testing.T) {
	t.Parallel()
	s := &searched{found: func(string, string) (int, string) {
		return http.StatusOK, jaegerFound(newTraceOf(2).String()) // of another attempt
	}}
	base := serve(t, s.ServeHTTP)
	r := newRun(t, "jaeger="+base.String(), 0)
	r.send(idOf(1))
	r.judge()
	r.expect(map[uint64]string{1: "missing"})
}

func TestTooManyTracesOfOneUserAgentProveNothing(t *testing.T) {
	t.Parallel()
	s := &searched{found: func(string, string) (int, string) {
		ids := make([]string, 20)
		for n := range ids {
			ids[n] = idOf(5000 + uint64(n)).String()
		}
		return http.StatusOK, jaegerFound(ids...)
	}}
	base := serve(t, s.ServeHTTP)
	r := newRun(t, "jaeger="+base.String(), 0)
	r.send(idOf(1))
	r.judge()
	r.expect(map[uint64]string{1: "undecided the source could not tell: jaeger: " +
		`searching for a restarted trace: service "gateway": more than 20 traces have the User-Agent`})
}

func TestAServicesListThatFailsMakesTheSearchFail(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v3/services" && asked.Add(1) > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fails(http.StatusNotFound, jaeger404)(w, 1)
	})
	r := newRun(t, "jaeger="+base.String(), 0)
	r.send(idOf(1))
	r.judge()
	r.expect(map[uint64]string{1: "undecided the source could not tell: jaeger: " +
		"searching for a restarted trace: asking for its services: status 503"})
}

// tempoRestarted is the protobuf of a trace that claims the attempt of trace n.
func tempoRestarted(t *testing.T, n uint64) []byte {
	t.Helper()
	id := newTraceOf(n)
	b, err := proto.Marshal(&trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{
		ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{
			TraceId: id[:], SpanId: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Kind: 2,
			Attributes: []*common.KeyValue{{Key: "user_agent.original", Value: &common.AnyValue{
				Value: &common.AnyValue_StringValue{StringValue: agentOf(n)},
			}}},
		}}}},
	}}})
	noError(t, err)
	return b
}

func TestATempoIsSearchedForRestartedTraces(t *testing.T) {
	t.Parallel()
	answers := map[uint64]string{
		1: `{"traces":[{"traceID":"` + strings.TrimLeft(newTraceOf(1).String(), "0") +
			`"},{"traceID":"` + idOf(1).String() + `"}],"metrics":{"completedJobs":3,"totalJobs":3}}`,
		2: `{"metrics":{"inspectedTraces":7}}`,
		3: `{"metrics":{"completedJobs":1,"totalJobs":3}}`,
		4: `{"traces":[{"traceID":"xyz"}]}`,
		5: `{}`,
	}
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/echo":
			_, _ = fmt.Fprint(w, "echo")
		case r.URL.Path == "/api/search":
			w.Header().Set("Content-Type", "application/json")
			for n, answer := range answers {
				id := idOf(n).String()
				want := `{ span.user_agent.original =~ ".*continuity/` + id + `-.*" || ` +
					`span.http.user_agent =~ ".*continuity/` + id + `-.*" }`
				if r.URL.Query().Get("q") == want && r.URL.Query().Get("limit") == "20" {
					_, _ = fmt.Fprint(w, answer)
					return
				}
			}
			fails(http.StatusBadRequest, "invalid TraceQL query")(w, 1)
		case strings.HasSuffix(r.URL.Path, newTraceOf(1).String()):
			w.Header().Set("Content-Type", "application/protobuf")
			_, _ = w.Write(tempoAnswer(tempoRestarted(t, 1), 0, ""))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	r := newRun(t, "tempo="+base.String(), 0)
	for n := range uint64(6) {
		r.send(idOf(n + 1))
	}
	r.judge()
	const doubt = "undecided the source could not tell: tempo: searching for a restarted trace: "
	r.expect(map[uint64]string{
		1: "restarted the service started a new trace", 2: "missing",
		3: doubt + "the answer is not whole", 4: doubt + "reading answer: parsing trace id",
		5: doubt + "the answer is not Tempo's: {}",
		6: doubt + "status 400: invalid TraceQL query",
	})
}
