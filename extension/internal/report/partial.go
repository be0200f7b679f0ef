package report

import "github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"

// MaxEvidence bounds each list of a partial report.
const MaxEvidence = 100_000

// Partial is the evidence that one part of a distributed run keeps for merge.
// A restarted trace lands on another shard than the attempt it belongs to:
// one part misses the attempt, another holds the claim.
type Partial struct {
	Missing        []MissingAttempt `json:"missing,omitempty"`
	MissingDropped uint64           `json:"missing_dropped,omitempty"`
	Claims         []Claim          `json:"claims,omitempty"`
	ClaimsDropped  uint64           `json:"claims_dropped,omitempty"`
}

// MissingAttempt is an attempt whose verdict a claim from another part can
// change: missing, a lost SERVER span told by counting, or undecided. It has
// the rows that it counts in.
type MissingAttempt struct {
	TraceID  tracecontext.TraceID `json:"trace_id"`
	SpanID   tracecontext.SpanID  `json:"span_id"`
	Keys     map[string]string    `json:"keys"`               // row key by dimension
	Order    int                  `json:"order,omitempty"`    // among the attempts of its trace
	Injected bool                 `json:"injected,omitempty"` // a toxic took its context
	Verdict  string               `json:"verdict,omitempty"`  // as judged; empty for missing
	Merged   string               `json:"merged,omitempty"`   // as merged; empty when unchanged
}

// Claim is a SERVER span that names an attempt of another part. Its root is the
// attempt's own trace when the trace was split between parts, and another trace
// when the service started one of its own.
type Claim struct {
	TraceID tracecontext.TraceID `json:"trace_id"` // of the attempt
	SpanID  tracecontext.SpanID  `json:"span_id"`  // of the attempt
	Root    tracecontext.TraceID `json:"root_trace_id"`
}
