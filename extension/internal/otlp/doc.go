// Package otlp receives spans over the OpenTelemetry protocol and turns them
// into [span.Record] values.
//
//	gRPC  TraceService/Export ─┐   raw bytes                  chunks
//	                           ├─► gunzip ─► Decoder ─► interned descriptors ─► Config.Sink
//	HTTP  POST /v1/traces ─────┘   (bounded)  (field scan)
//
// The receiver shares the processor with the load generator, so it does not
// build message objects: a [Decoder] scans the fields of the wire format and
// keeps only what a verdict needs. What repeats between spans (service, name,
// method, route, scope) is interned; in steady state a span costs no
// allocation. A request is delivered whole or not at all: nothing of a
// malformed one reaches the sink.
//
// The rules for status codes, encodings and partial success are those of
// https://opentelemetry.io/docs/specs/otlp/.
//
// # Other signals
//
// SDKs are usually configured with one endpoint for all signals, so metrics,
// logs and profiles arrive too. They are answered with success and discarded,
// counted in [Stats]: an error or a partial success would make every exporter
// in every service log a warning per export interval, about data that nobody
// asked this receiver to keep.
package otlp
