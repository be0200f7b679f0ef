package otlp_test

import (
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// protobufSeeds are requests that exercise each rule of the decoder.
func protobufSeeds(tb testing.TB) [][]byte {
	tb.Helper()
	plain := marshal(tb, request("inventory", serverSpan(1), serverSpan(9)))
	seeds := [][]byte{nil, plain, plain[:len(plain)/2], marshal(tb, request(""))}
	for _, edit := range spanEdits() {
		s := serverSpan(1)
		edit(s)
		seeds = append(seeds, marshal(tb, request("a", s, serverSpan(3))))
	}
	return append(seeds, resourceLast(tb), mergedValue(tb))
}

// spanEdits are variations of a good span.
func spanEdits() []func(*trace.Span) {
	return []func(*trace.Span){
		func(s *trace.Span) { s.TraceId = make([]byte, 16) },
		func(s *trace.Span) { s.TraceId = s.TraceId[:15] },
		func(s *trace.Span) { s.SpanId = nil },
		func(s *trace.Span) { s.ParentSpanId = []byte{1} },
		func(s *trace.Span) { s.ParentSpanId = make([]byte, 8) },
		func(s *trace.Span) { s.Kind, s.TraceState = 258, "a=1,b=2" },
		func(s *trace.Span) { s.Kind, s.EndTimeUnixNano = -1, 1<<63 },
		func(s *trace.Span) { s.Status = &trace.Status{Code: 2, Message: "x"} },
		func(s *trace.Span) { s.Name = strings.Repeat("é", 200) },
		func(s *trace.Span) { s.Name = strings.Repeat("n", 1<<14+2) }, // a length of three bytes
		func(s *trace.Span) {
			s.Attributes = []*common.KeyValue{
				text("http.method", "POST"), text("http.target", "/a?b=c"),
				text("http.status_code", "404"), text("http.user_agent", "curl"),
				nil,
				{Key: "url.path"},
			}
		},
		func(s *trace.Span) {
			s.Attributes = append(s.Attributes, integer("http.route", 1),
				integer("http.response.status_code", 1<<40))
			s.Events = []*trace.Span_Event{{Name: "e"}}
			s.Links = []*trace.Span_Link{{TraceId: traceID(1)}}
		},
	}
}

// resourceLast has the resource and the scope behind their spans.
func resourceLast(tb testing.TB) []byte {
	tb.Helper()
	bytesField := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	rs := request("late", serverSpan(1)).GetResourceSpans()[0]
	scope := rs.GetScopeSpans()[0]
	ss := bytesField(nil, 2, marshal(tb, scope.GetSpans()[0]))
	ss = bytesField(ss, 1, marshal(tb, scope.GetScope()))
	out := bytesField(nil, 2, ss)
	out = bytesField(out, 1, marshal(tb, rs.GetResource()))
	return bytesField(nil, 1, out)
}

// mergedValue has an attribute whose value comes before its key, in pieces.
func mergedValue(tb testing.TB) []byte {
	tb.Helper()
	bytesField := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	kv := bytesField(nil, 2, marshal(tb, text("", "GET").GetValue()))
	kv = bytesField(kv, 1, []byte("http.method"))
	kv = bytesField(kv, 2, nil)
	s := bytesField(marshal(tb, &trace.Span{TraceId: traceID(1), SpanId: spanID(1)}), 9, kv)
	return bytesField(nil, 1, bytesField(nil, 2, bytesField(nil, 2, s)))
}
