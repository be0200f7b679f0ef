// Package otlpfield has the field numbers of OTLP's messages, for those who read
// and write them without message objects. They are those of opentelemetry-proto,
// trace, resource and common
// (https://github.com/open-telemetry/opentelemetry-proto/tree/v1.10.0/opentelemetry/proto).
package otlpfield

import "google.golang.org/protobuf/encoding/protowire"

// The fields of the request that exports traces.
const (
	RequestResourceSpans protowire.Number = 1
)

// The fields of ResourceSpans and Resource.
const (
	ResourceSpansResource   protowire.Number = 1
	ResourceSpansScopeSpans protowire.Number = 2
	ResourceAttributes      protowire.Number = 1
)

// The fields of ScopeSpans and InstrumentationScope.
const (
	ScopeSpansScope protowire.Number = 1
	ScopeSpansSpan  protowire.Number = 2
	ScopeName       protowire.Number = 1
)

// The fields of Span.
const (
	SpanTraceID           protowire.Number = 1
	SpanSpanID            protowire.Number = 2
	SpanTraceState        protowire.Number = 3
	SpanParentID          protowire.Number = 4
	SpanName              protowire.Number = 5
	SpanKind              protowire.Number = 6
	SpanStart             protowire.Number = 7
	SpanEnd               protowire.Number = 8
	SpanAttributes        protowire.Number = 9
	SpanDroppedAttributes protowire.Number = 10
	SpanEvents            protowire.Number = 11
	SpanDroppedEvents     protowire.Number = 12
	SpanLinks             protowire.Number = 13
	SpanDroppedLinks      protowire.Number = 14
	SpanStatus            protowire.Number = 15
	SpanFlags             protowire.Number = 16
)

// The fields of Span.Event.
const (
	EventTime              protowire.Number = 1
	EventName              protowire.Number = 2
	EventAttributes        protowire.Number = 3
	EventDroppedAttributes protowire.Number = 4
)

// The fields of Span.Link.
const (
	LinkTraceID           protowire.Number = 1
	LinkSpanID            protowire.Number = 2
	LinkAttributes        protowire.Number = 4
	LinkDroppedAttributes protowire.Number = 5
	LinkFlags             protowire.Number = 6
)

// The fields of Status.
const (
	StatusMessage protowire.Number = 2
	StatusCode    protowire.Number = 3
)

// The fields of KeyValue.
const (
	KeyValueKey   protowire.Number = 1
	KeyValueValue protowire.Number = 2
)

// The fields of AnyValue.
const (
	AnyString protowire.Number = 1
	AnyBool   protowire.Number = 2
	AnyInt    protowire.Number = 3
	AnyDouble protowire.Number = 4
	AnyArray  protowire.Number = 5
	AnyMap    protowire.Number = 6
	AnyBytes  protowire.Number = 7
	AnyIndex  protowire.Number = 8
)

// The fields of ArrayValue and KeyValueList.
const (
	ListValues protowire.Number = 1
)

// The fields of ExportTraceServiceResponse and ExportTracePartialSuccess.
const (
	ResponsePartialSuccess protowire.Number = 1

	PartialRejectedSpans protowire.Number = 1
	PartialErrorMessage  protowire.Number = 2
)

// The fields of google.rpc.Status, which says why a request was refused.
const (
	RPCStatusCode    protowire.Number = 1
	RPCStatusMessage protowire.Number = 2
)
