package otlpclient

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlpfield"
)

// appendSpan writes a span as a field of ScopeSpans, as the messages of package
// otlptrace would be written. They take ten times the memory of what they say.
func appendSpan(b []byte, s sdktrace.ReadOnlySpan) []byte {
	b, at := open(b, otlpfield.ScopeSpansSpan)
	own, parent := s.SpanContext(), s.Parent()
	traceID, spanID := own.TraceID(), own.SpanID()
	b = appendID(b, otlpfield.SpanTraceID, traceID[:])
	b = appendID(b, otlpfield.SpanSpanID, spanID[:])
	b = appendText(b, otlpfield.SpanTraceState, own.TraceState().String())
	if parentID := parent.SpanID(); parentID.IsValid() {
		b = appendID(b, otlpfield.SpanParentID, parentID[:])
	}
	b = appendText(b, otlpfield.SpanName, s.Name())
	b = appendCount(b, otlpfield.SpanKind, kindNumber(s.SpanKind()))
	b = appendMoment(b, otlpfield.SpanStart, s.StartTime())
	b = appendMoment(b, otlpfield.SpanEnd, s.EndTime())
	b = appendAttributes(b, otlpfield.SpanAttributes, s.Attributes())
	b = appendCount(b, otlpfield.SpanDroppedAttributes, s.DroppedAttributes())
	for _, e := range s.Events() {
		b = appendEvent(b, &e)
	}
	b = appendCount(b, otlpfield.SpanDroppedEvents, s.DroppedEvents())
	for _, l := range s.Links() {
		b = appendLink(b, &l)
	}
	b = appendCount(b, otlpfield.SpanDroppedLinks, s.DroppedLinks())
	b = appendStatus(b, s.Status())
	return end(appendFlags(b, otlpfield.SpanFlags, own.TraceFlags(), parent), at)
}

func appendEvent(b []byte, e *sdktrace.Event) []byte {
	b, at := open(b, otlpfield.SpanEvents)
	b = appendMoment(b, otlpfield.EventTime, e.Time)
	b = appendText(b, otlpfield.EventName, e.Name)
	b = appendAttributes(b, otlpfield.EventAttributes, e.Attributes)
	return end(appendCount(b, otlpfield.EventDroppedAttributes, e.DroppedAttributeCount), at)
}

func appendLink(b []byte, l *sdktrace.Link) []byte {
	b, at := open(b, otlpfield.SpanLinks)
	traceID, spanID := l.SpanContext.TraceID(), l.SpanContext.SpanID()
	b = appendID(b, otlpfield.LinkTraceID, traceID[:])
	b = appendID(b, otlpfield.LinkSpanID, spanID[:])
	b = appendAttributes(b, otlpfield.LinkAttributes, l.Attributes)
	b = appendCount(b, otlpfield.LinkDroppedAttributes, l.DroppedAttributeCount)
	return end(appendFlags(b, otlpfield.LinkFlags, l.SpanContext.TraceFlags(), l.SpanContext), at)
}

func appendStatus(b []byte, s sdktrace.Status) []byte {
	b, at := open(b, otlpfield.SpanStatus)
	b = appendText(b, otlpfield.StatusMessage, s.Description)
	switch s.Code {
	case codes.Ok:
		b = appendCount(b, otlpfield.StatusCode, int(tracepb.Status_STATUS_CODE_OK))
	case codes.Error:
		b = appendCount(b, otlpfield.StatusCode, int(tracepb.Status_STATUS_CODE_ERROR))
	default: // unset is not written
	}
	return end(b, at)
}

// kindNumber is OTLP's number of a kind of span.
func kindNumber(kind trace.SpanKind) int {
	switch kind {
	case trace.SpanKindInternal:
		return int(tracepb.Span_SPAN_KIND_INTERNAL)
	case trace.SpanKindServer:
		return int(tracepb.Span_SPAN_KIND_SERVER)
	case trace.SpanKindClient:
		return int(tracepb.Span_SPAN_KIND_CLIENT)
	case trace.SpanKindProducer:
		return int(tracepb.Span_SPAN_KIND_PRODUCER)
	case trace.SpanKindConsumer:
		return int(tracepb.Span_SPAN_KIND_CONSUMER)
	default:
		return int(tracepb.Span_SPAN_KIND_UNSPECIFIED)
	}
}

// appendFlags writes the flags of a trace, and whether the other end is remote.
func appendFlags(
	b []byte, field protowire.Number, flags trace.TraceFlags, other trace.SpanContext,
) []byte {
	bits := uint32(flags) | uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if other.IsRemote() {
		bits |= uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), bits)
}

func appendAttributes(
	b []byte, field protowire.Number, list []attribute.KeyValue,
) []byte {
	for i := range list {
		var at int
		b, at = open(b, field)
		b = appendText(b, otlpfield.KeyValueKey, string(list[i].Key))
		b = end(appendValue(b, otlpfield.KeyValueValue, list[i].Value), at)
	}
	return b
}

// appendValue writes an AnyValue, which is there even if it is empty.
func appendValue(b []byte, field protowire.Number, v attribute.Value) []byte {
	b, at := open(b, field)
	switch v.Type() {
	case attribute.STRING:
		b = appendString(b, otlpfield.AnyString, v.AsString())
	case attribute.INT64:
		b = protowire.AppendTag(b, otlpfield.AnyInt, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(v.AsInt64())) //nolint:gosec // two's complement
	case attribute.BOOL:
		b = protowire.AppendTag(b, otlpfield.AnyBool, protowire.VarintType)
		b = protowire.AppendVarint(b, protowire.EncodeBool(v.AsBool()))
	case attribute.FLOAT64:
		b = protowire.AppendTag(b, otlpfield.AnyDouble, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, math.Float64bits(v.AsFloat64()))
	case attribute.BYTESLICE:
		b = protowire.AppendTag(b, otlpfield.AnyBytes, protowire.BytesType)
		b = protowire.AppendBytes(b, v.AsByteSlice())
	case attribute.MAP:
		var list int
		b, list = open(b, otlpfield.AnyMap)
		b = end(appendAttributes(b, otlpfield.ListValues, v.AsMap()), list)
	case attribute.EMPTY:
	default:
		var list int
		b, list = open(b, otlpfield.AnyArray)
		b = end(appendElements(b, v), list)
	}
	return end(b, at)
}

// appendElements writes the values of a list.
func appendElements(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.STRINGSLICE:
		return appendEach(b, v.AsStringSlice(), attribute.StringValue)
	case attribute.INT64SLICE:
		return appendEach(b, v.AsInt64Slice(), attribute.Int64Value)
	case attribute.FLOAT64SLICE:
		return appendEach(b, v.AsFloat64Slice(), attribute.Float64Value)
	case attribute.BOOLSLICE:
		return appendEach(b, v.AsBoolSlice(), attribute.BoolValue)
	default:
		return appendEach(b, v.AsSlice(), func(v attribute.Value) attribute.Value { return v })
	}
}

func appendEach[T any](b []byte, list []T, value func(T) attribute.Value) []byte {
	for _, element := range list {
		b = appendValue(b, otlpfield.ListValues, value(element))
	}
	return b
}

func appendID(b []byte, field protowire.Number, id []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), id)
}

// appendText writes a text unless it is empty, as fields without presence are.
func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(b, field, s)
}

// appendString writes a text. What is no UTF-8 in it is replaced: for a single
// byte of a header in Latin-1 an endpoint would refuse the whole batch.
func appendString(b []byte, field protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, strings.ToValidUTF8(s, "\uFFFD"))
}

// appendCount writes a number unless it is 0.
func appendCount(b []byte, field protowire.Number, n int) []byte {
	if n <= 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(min(n, math.MaxUint32)))
}

// appendMoment writes nanoseconds since 1970 unless they are 0.
func appendMoment(b []byte, field protowire.Number, t time.Time) []byte {
	ns := t.UnixNano()
	if ns <= 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, uint64(ns))
}

// open begins a message within a message; end, told where, writes its length.
func open(b []byte, field protowire.Number) (out []byte, at int) {
	b = append(protowire.AppendTag(b, field, protowire.BytesType), 0)
	return b, len(b)
}

func end(b []byte, at int) []byte {
	n := len(b) - at
	if n < 1<<7 { // one byte, which is there
		b[at-1] = byte(n) //nolint:gosec // see above
		return b
	}
	more := protowire.SizeVarint(uint64(n)) - 1
	b = append(b, make([]byte, more)...)
	copy(b[at+more:], b[at:at+n])
	binary.PutUvarint(b[at-1:], uint64(n))
	return b
}
