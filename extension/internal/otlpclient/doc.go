// Package otlpclient exports spans of the OpenTelemetry SDK through the clients
// of its OTLP exporters, and writes the spans itself.
//
//	ResourceSpans ─ ScopeSpans ─┬─ resource, scope    messages of package otlptrace
//	                            └─ span, span, …      bytes, by [Exporter]
//
// Package otlptrace makes messages of all spans before it writes them: for the
// two spans of one request of the load that is 5 kB and half the price of an
// export. What is written here reads the same, message for message
// (https://github.com/open-telemetry/opentelemetry-proto/tree/v1.10.0), but for
// texts that are no UTF-8: otlptrace fails with the whole batch, and here the
// bytes in question are replaced.
package otlpclient
