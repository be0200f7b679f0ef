package otlp_test

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// oracle says what a request means, from the message objects of the protobuf
// library: the records, and how many spans are rejected for their ids.
func oracle(req *collector.ExportTraceServiceRequest) (records []span.Record, rejected int) {
	for _, rs := range req.GetResourceSpans() {
		service, _ := lastText(rs.GetResource().GetAttributes(), "service.name")
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				if !validIDs(s) {
					rejected++
					continue
				}
				records = append(records, oracleRecord(service, ss.GetScope().GetName(), s))
			}
		}
	}
	return records, rejected
}

func validIDs(s *trace.Span) bool {
	zero := func(b []byte) bool { return strings.Trim(string(b), "\x00") == "" }
	return len(s.GetTraceId()) == 16 && !zero(s.GetTraceId()) &&
		len(s.GetSpanId()) == 8 && !zero(s.GetSpanId()) &&
		(len(s.GetParentSpanId()) == 0 || len(s.GetParentSpanId()) == 8)
}

func oracleRecord(service, scope string, s *trace.Span) span.Record {
	r := span.Record{
		TraceID:    tracecontext.TraceID(s.GetTraceId()),
		SpanID:     tracecontext.SpanID(s.GetSpanId()),
		TraceState: s.GetTraceState(),
		Start:      oracleTime(s.GetStartTimeUnixNano()),
		End:        oracleTime(s.GetEndTimeUnixNano()),
		Flags:      s.GetFlags(),
		Error:      s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR,
		Status:     oracleStatus(s.GetAttributes()),
		Claim:      oracleClaim(s.GetAttributes()),
	}
	if len(s.GetParentSpanId()) == 8 {
		r.ParentID = tracecontext.SpanID(s.GetParentSpanId())
	}
	if s.GetKind() >= 0 && s.GetKind() <= trace.Span_SPAN_KIND_CONSUMER {
		r.Kind = span.Kind(s.GetKind())
	}
	method := firstText(s.GetAttributes(), "http.request.method", "http.method")
	r.Descriptor = &span.Descriptor{
		Service: oracleClip(service), Scope: oracleClip(scope), Name: oracleClip(s.GetName()),
		Method: oracleClip(method), Route: oracleClip(oracleRoute(s)),
	}
	return r
}

func oracleTime(t uint64) int64 {
	if t > 1<<63-1 {
		return 1<<63 - 1
	}
	return int64(t)
}

func oracleRoute(s *trace.Span) string {
	route := firstText(s.GetAttributes(), "http.route")
	if route == "" && s.GetKind() == trace.Span_SPAN_KIND_SERVER {
		route = firstText(s.GetAttributes(), "url.path")
		if route == "" {
			route, _, _ = strings.Cut(firstText(s.GetAttributes(), "http.target"), "?")
		}
	}
	return route
}

func oracleClip(s string) string {
	for len(s) > 256 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

func oracleStatus(attrs []*common.KeyValue) uint16 {
	for _, key := range []string{"http.response.status_code", "http.status_code"} {
		v := last(attrs, key)
		n := v.GetIntValue()
		if s, ok := v.GetValue().(*common.AnyValue_StringValue); ok && len(s.StringValue) == 3 {
			parsed, err := strconv.Atoi(s.StringValue)
			if err == nil {
				n = int64(parsed)
			}
		}
		if n >= 100 && n <= 999 {
			return uint16(n)
		}
	}
	return 0
}

func oracleClaim(attrs []*common.KeyValue) tracecontext.Correlation {
	for _, key := range []string{"user_agent.original", "http.user_agent"} {
		agent, _ := lastText(attrs, key)
		if c, ok := tracecontext.FindCorrelation(agent); ok {
			return c
		}
	}
	return tracecontext.Correlation{}
}

func firstText(attrs []*common.KeyValue, keys ...string) string {
	for _, key := range keys {
		if v, ok := lastText(attrs, key); ok && v != "" {
			return v
		}
	}
	return ""
}

func lastText(attrs []*common.KeyValue, key string) (string, bool) {
	s, ok := last(attrs, key).GetValue().(*common.AnyValue_StringValue)
	if !ok {
		return "", false
	}
	return s.StringValue, true
}

// last returns the value of a key; of a repeated key the last one counts.
func last(attrs []*common.KeyValue, key string) *common.AnyValue {
	var v *common.AnyValue
	for _, a := range attrs {
		if a.GetKey() == key {
			v = a.GetValue()
			if v == nil {
				v = new(common.AnyValue)
			}
		}
	}
	return v
}

// differ describes the first difference between two lists of records,
// comparing descriptors by value; empty when there is none.
func differ(want, got []span.Record) string {
	if len(want) != len(got) {
		return fmt.Sprintf("want %d records, got %d", len(want), len(got))
	}
	for i := range want {
		w, g := want[i], got[i]
		if *w.Descriptor != *g.Descriptor {
			return fmt.Sprintf("record %d: want %+v\ngot %+v", i, *w.Descriptor, *g.Descriptor)
		}
		w.Descriptor, g.Descriptor = nil, nil
		if w != g {
			return fmt.Sprintf("record %d: want %+v\ngot %+v", i, w, g)
		}
	}
	return ""
}
