package otlp_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// reader converts the values of encoding/json to message objects. Once a
// value has the wrong type, bad is set.
type reader struct{ bad bool }

// requestFromJSON reads OTLP/JSON the slow and plain way.
func requestFromJSON(b []byte) (*collector.ExportTraceServiceRequest, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var root any
	if d.Decode(&root) != nil || root == nil {
		return nil, false
	}
	r := new(reader)
	req := new(collector.ExportTraceServiceRequest)
	for _, v := range r.list(r.object(root)["resourceSpans"]) {
		rs := r.object(v)
		out := &trace.ResourceSpans{Resource: &resource.Resource{
			Attributes: r.attributes(r.object(rs["resource"])["attributes"]),
		}}
		for _, v := range r.list(rs["scopeSpans"]) {
			ss := r.object(v)
			scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{
				Name: r.text(r.object(ss["scope"])["name"]),
			}}
			for _, v := range r.list(ss["spans"]) {
				scope.Spans = append(scope.Spans, r.span(r.object(v)))
			}
			out.ScopeSpans = append(out.ScopeSpans, scope)
		}
		req.ResourceSpans = append(req.ResourceSpans, out)
	}
	return req, !r.bad
}

func (r *reader) span(m map[string]any) *trace.Span {
	return &trace.Span{
		TraceId: r.id(m["traceId"], 16), SpanId: r.id(m["spanId"], 8),
		ParentSpanId: r.id(m["parentSpanId"], 8),
		TraceState:   r.text(m["traceState"]), Name: r.text(m["name"]),
		Kind:              trace.Span_SpanKind(r.enum(m["kind"])),
		StartTimeUnixNano: r.unsigned(m["startTimeUnixNano"], math.MaxUint64),
		EndTimeUnixNano:   r.unsigned(m["endTimeUnixNano"], math.MaxUint64),
		Flags:             uint32(r.unsigned(m["flags"], math.MaxUint32)),
		Status: &trace.Status{
			Code: trace.Status_StatusCode(r.enum(r.object(m["status"])["code"])),
		},
		Attributes: r.attributes(m["attributes"]),
	}
}

func (r *reader) object(v any) map[string]any {
	m, ok := v.(map[string]any)
	r.bad = r.bad || !ok && v != nil
	return m
}

func (r *reader) list(v any) []any {
	l, ok := v.([]any)
	r.bad = r.bad || !ok && v != nil
	return l
}

func (r *reader) text(v any) string {
	s, ok := v.(string)
	r.bad = r.bad || !ok && v != nil
	return s
}

// id returns bytes of a wrong length for what is no id of this length.
func (r *reader) id(v any, length int) []byte {
	s := r.text(v)
	b, err := hex.DecodeString(s)
	if s != "" && (err != nil || len(b) != length) {
		return []byte{0}
	}
	return b
}

func (r *reader) whole(v any, allowText bool) *big.Int {
	var digits string
	switch v := v.(type) {
	case nil:
		return new(big.Int)
	case json.Number:
		digits = v.String()
	case string:
		digits = v
		trimmed := strings.TrimLeft(v, "-0123456789.eE+")
		r.bad = r.bad || !allowText || trimmed != "" || !json.Valid([]byte(v))
	default:
		r.bad = true
	}
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		n, err := strconv.Atoi(digits[i+1:])
		r.bad = r.bad || err != nil || n < -30 || n > 30
	}
	if r.bad {
		return new(big.Int)
	}
	n, ok := new(big.Rat).SetString(digits)
	if !ok || !n.IsInt() || strings.ContainsAny(digits, ".eE") && len(digits) > 40 {
		r.bad = true
		return new(big.Int)
	}
	return n.Num()
}

func (r *reader) enum(v any) int32 {
	n := r.whole(v, false)
	r.bad = r.bad || !n.IsInt64() || n.Int64() > math.MaxInt32 || n.Int64() < math.MinInt32
	return int32(n.Int64())
}

func (r *reader) unsigned(v any, limit uint64) uint64 {
	n := r.whole(v, true)
	r.bad = r.bad || !n.IsUint64() || n.Uint64() > limit
	return n.Uint64()
}

func (r *reader) attributes(v any) []*common.KeyValue {
	var out []*common.KeyValue
	for _, v := range r.list(v) {
		m := r.object(v)
		out = append(out, &common.KeyValue{
			Key: r.text(m["key"]), Value: r.value(r.object(m["value"])),
		})
	}
	return out
}

func (r *reader) value(m map[string]any) *common.AnyValue {
	v, members := new(common.AnyValue), 0
	for _, name := range []string{
		"stringValue", "intValue", "boolValue", "doubleValue",
		"arrayValue", "kvlistValue", "bytesValue",
	} {
		member := m[name]
		if member == nil {
			continue
		}
		members++
		switch name {
		case "stringValue":
			v.Value = &common.AnyValue_StringValue{StringValue: r.text(member)}
		case "intValue":
			n := r.whole(member, true)
			r.bad = r.bad || !n.IsInt64()
			v.Value = &common.AnyValue_IntValue{IntValue: n.Int64()}
		default:
			v.Value = &common.AnyValue_BytesValue{}
		}
	}
	r.bad = r.bad || members > 1
	return v
}
