package span

import "github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"

// Outcome says how far a round trip got, as the client's transport saw it.
type Outcome uint8

const (
	// OutcomeAnswered means that response headers arrived.
	OutcomeAnswered Outcome = iota
	// OutcomeNotSent means that no byte of the request left: name resolution,
	// connect or TLS failed.
	OutcomeNotSent
	// OutcomeSentFailed means that the request was written, in part at least, and then
	// the transport failed: the service may or may not have seen it.
	OutcomeSentFailed
)

// Labels is what many attempts have in common. It is interned: equal labels
// share one pointer, and labels are never changed after they were published.
type Labels struct {
	Phase    string // fault plan phase at the moment of sending; empty without a plan
	Scenario string // k6 scenario
	Name     string // k6's name tag: template, tags.name or URL without credentials
	Method   string // HTTP method as sent
	Service  string // service.peer.name option; empty when not set
	Group    string // k6 group path
	Tags     any    // owner's handle (the k6 tag set); opaque to the core
}

// Mark is one parsed X-Toxic response header:
// `<type>; mode=<mode>; name=<name>; proxy=<proxy>; phase=<phase>`.
// It is what a toxic itself says it did to this exchange.
type Mark struct {
	Type string `json:"type"`
	Mode string `json:"mode,omitempty"`
	Name string `json:"name,omitempty"`
	// Proxy is the one that the toxic was in; empty where it is not said.
	Proxy string `json:"proxy,omitempty"`
	// Phase is the one that the toxic was in for, which may have ended while the
	// exchange was under way; empty outside of a plan.
	Phase string `json:"phase,omitempty"`
}

// Marks is an interned list of marks; nil means that no toxic touched the exchange.
type Marks struct{ List []Mark }

// Attempt is one round trip of the load: one client span. Redirect hops and
// authentication exchanges are attempts of their own. Times are nanoseconds.
type Attempt struct {
	TraceID    tracecontext.TraceID
	SpanID     tracecontext.SpanID // the client span; the parent-id that was sent
	Operation  tracecontext.SpanID // parent of the client span; zero for a root
	Labels     *Labels             // never nil
	Marks      *Marks              // what the toxics said; nil for nothing
	ErrorType  string              // error.type of the client span; empty on success
	TraceState string              // tracestate as sent, usually empty
	Start      int64               // Unix time
	Duration   int64               // until the body was read or closed
	Blocked    int64               // waiting for a connection: the pool's, an address, a proxy's
	Connecting int64               // TCP connect
	TLS        int64               // TLS handshakes: the proxy's and the service's
	Waiting    int64               // from request written to first response byte, or the end
	Backoff    int64               // waited before this attempt by the retry policy
	Number     uint16              // 1 for the first attempt of an operation, then 2, 3, …
	Resend     uint16              // http.request.resend_count: 0 for the first round trip
	Sends      uint16              // times the transport wrote the request; above 1: re-sent
	Status     uint16              // HTTP status; 0 when there was no response
	Outcome    Outcome
	Hop        bool // a redirect hop or an authentication exchange: not the first of its number
	Sampled    bool // the sampled flag that was sent
	Excluded   bool // outside tracing: no header, no span
}

// IsRetry reports whether the retry policy sent the request again with this round
// trip. A hop of that one is no retry of its own.
func (a *Attempt) IsRetry() bool { return a.Number > 1 && !a.Hop }
