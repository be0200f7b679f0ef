// Package span holds the two compact records that everything else shares:
// [Attempt], one round trip that the load really sent, and [Record], one span
// that a service (or the load) really reported. Both are small values without
// per-record strings: what repeats is interned behind a pointer.
package span

import "github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"

// Kind is the OpenTelemetry span kind, numbered as in OTLP.
type Kind uint8

// The span kinds of OTLP (trace.proto, Span.SpanKind).
const (
	KindUnspecified Kind = iota
	KindInternal
	KindServer
	KindClient
	KindProducer
	KindConsumer
)

// Descriptor is what many spans of one operation of one service have in
// common. It is interned: equal descriptors share one pointer, and a
// descriptor is never changed after it was published.
type Descriptor struct {
	Service string // service.name, empty when the resource has none
	Name    string // span name
	Method  string // http.request.method or http.method
	Route   string // http.route, else url.path or the path of http.target
	Scope   string // instrumentation scope name
}

// LoadScope is the instrumentation scope of the spans that the load itself
// exports.
const LoadScope = "github.com/xk6-continuity/xk6-continuity"

// Flag bits of OTLP Span.flags (trace.proto, SpanFlags).
const (
	FlagSampled        uint32 = 0x01  // W3C sampled flag
	FlagRemoteKnown    uint32 = 0x100 // the remote bit below is meaningful
	FlagRemoteIsRemote uint32 = 0x200 // the parent span is in another process
)

// Record is one received span. A zero ParentID means a root span.
type Record struct {
	TraceID    tracecontext.TraceID
	SpanID     tracecontext.SpanID
	ParentID   tracecontext.SpanID
	Claim      tracecontext.Correlation // from user_agent.original; zero when absent
	Descriptor *Descriptor              // never nil
	TraceState string                   // as reported, usually empty
	Start      int64                    // Unix nanoseconds by the service's clock
	End        int64                    // Unix nanoseconds by the service's clock
	Flags      uint32                   // OTLP Span.flags; 0 when not reported
	Status     uint16                   // http.response.status_code; 0 when absent
	Kind       Kind
	Error      bool // span status is Error
}

// Handles reports whether the span is of a kind that takes work from elsewhere.
func (r *Record) Handles() bool { return r.Kind == KindServer || r.Kind == KindConsumer }

// Claims reports whether the span's User-Agent names the attempt.
func (r *Record) Claims(a *Attempt) bool {
	return r.Claim.SpanID == a.SpanID && r.Claim.TraceID == a.TraceID
}

// Misplaced reports whether the span's User-Agent says that it belongs to
// another trace than the one it is in.
func (r *Record) Misplaced() bool { return !r.Claim.IsZero() && r.Claim.TraceID != r.TraceID }
