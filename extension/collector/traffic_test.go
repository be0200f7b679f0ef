package collector

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
)

// traffic makes the spans of a load and its services, as they are exported.
type traffic struct {
	random *rand.Rand
	spans  []spanData
	begin  int64 // Unix nanoseconds of the first attempt
}

// spanData is one span before it is put into a batch.
type spanData struct {
	service, scope, name string
	trace                pcommon.TraceID
	id, parent           pcommon.SpanID
	kind                 ptrace.SpanKind
	start, end           int64
	attributes           map[string]any
}

func newTraffic(seed uint64, begin int64) *traffic {
	return &traffic{random: rand.New(rand.NewPCG(seed, 2)), begin: begin}
}

func (t *traffic) traceID() (id pcommon.TraceID) {
	binary.LittleEndian.PutUint64(id[:8], t.random.Uint64())
	binary.LittleEndian.PutUint64(id[8:], t.random.Uint64())
	return id
}

func (t *traffic) spanID() (id pcommon.SpanID) {
	binary.LittleEndian.PutUint64(id[:], t.random.Uint64()|1)
	return id
}

// fates are what can become of an attempt.
var fates = []string{ //nolint:gochecknoglobals // a table of the tests
	"continued", "restarted", "stripped", "duplicated", "missing", "aborted", "not sent", "failed",
	"reparented", "span lost", "failed and restarted",
}

// operation adds one logical request whose attempts have the given fates.
func (t *traffic) operation(phase string, fates ...string) {
	trace, operation := t.traceID(), t.spanID()
	at := t.begin + int64(t.random.IntN(1_000_000_000))
	begin := at
	for number, fate := range fates {
		client := t.spanID()
		attributes := map[string]any{
			"http.request.method": "GET", "service.peer.name": "gateway",
			clientspan.Phase: phase, clientspan.Name: "GET /products", clientspan.Scenario: "load",
			"http.response.status_code": 200,
		}
		if number > 0 {
			attributes[clientspan.Number] = number + 1
		}
		end := at + 1000
		t.serve(fate, trace, operation, client, at, attributes)
		t.spans = append(t.spans, spanData{
			service: "k6", scope: clientspan.Scope, name: "GET", trace: trace, id: client, parent: operation,
			kind: ptrace.SpanKindClient, start: at, end: end, attributes: attributes,
		})
		at = end + 500
	}
	t.spans = append(t.spans, spanData{
		service: "k6", scope: clientspan.Scope, name: "GET", trace: trace, id: operation,
		kind: ptrace.SpanKindInternal, start: begin, end: at,
	})
}

// serve adds the spans of the services for one attempt.
func (t *traffic) serve(
	fate string, trace pcommon.TraceID, operation, client pcommon.SpanID, at int64, attributes map[string]any,
) {
	agent := fmt.Sprintf("k6 continuity/%s-%s", trace, client)
	server := func(trace pcommon.TraceID, parent pcommon.SpanID, keep bool) {
		id := t.spanID()
		if keep {
			t.spans = append(t.spans, spanData{
				service: "gateway", scope: "otelhttp", name: "GET /products", trace: trace, id: id, parent: parent,
				kind: ptrace.SpanKindServer, start: at, end: at + 400,
				attributes: map[string]any{"user_agent.original": agent, "http.request.method": "GET"},
			})
		}
		call := t.spanID()
		t.spans = append(t.spans, spanData{
			service: "gateway", scope: "otelhttp", name: "HTTP GET", trace: trace, id: call, parent: id,
			kind: ptrace.SpanKindClient, start: at, end: at + 300,
		}, spanData{
			service: "inventory", scope: "otelhttp", name: "GET /stock", trace: trace, id: t.spanID(), parent: call,
			kind: ptrace.SpanKindServer, start: at, end: at + 200,
		})
	}
	switch fate {
	case "continued":
		server(trace, client, true)
	case "duplicated":
		server(trace, client, true)
		server(trace, client, true)
	case "restarted":
		server(t.traceID(), pcommon.SpanID{}, true)
	case "stripped":
		server(t.traceID(), pcommon.SpanID{}, true)
		attributes[clientspan.Toxics] = []any{"http_header; mode=context-remove; name=strip"}
	case "reparented":
		server(trace, operation, true)
	case "span lost":
		server(trace, client, false)
	case "aborted":
		attributes[clientspan.Toxics] = []any{"http_status; mode=abort; name=errors"}
		attributes["http.response.status_code"] = 503
	case "not sent":
		delete(attributes, "http.response.status_code")
		attributes[clientspan.Outcome], attributes["error.type"] = "not_sent", "connection_refused"
	case "failed", "failed and restarted":
		if fate == "failed and restarted" {
			server(t.traceID(), pcommon.SpanID{}, true)
		}
		delete(attributes, "http.response.status_code")
		attributes[clientspan.Outcome], attributes["error.type"] = "sent_failed", "timeout"
	}
}

// batch puts spans into a batch, with the run's identity on the load's resource.
func batch(spans ...spanData) ptrace.Traces { return batchOf("nightly", spans...) }

// batchOf is a batch of the load of a test.
func batchOf(test string, spans ...spanData) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, s := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", s.service)
		if s.scope == clientspan.Scope {
			rs.Resource().Attributes().PutStr("testid", test)
		}
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName(s.scope)
		out := ss.Spans().AppendEmpty()
		out.SetName(s.name)
		out.SetTraceID(s.trace)
		out.SetSpanID(s.id)
		out.SetParentSpanID(s.parent)
		out.SetKind(s.kind)
		out.SetStartTimestamp(pcommon.Timestamp(s.start))
		out.SetEndTimestamp(pcommon.Timestamp(s.end))
		if err := out.Attributes().FromRaw(s.attributes); err != nil {
			panic(err)
		}
	}
	return td
}
