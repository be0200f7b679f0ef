package report

import (
	"slices"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// Unfinished is the warning of a report that was saved while its run went on.
const Unfinished = "the run had not ended: this is what was settled by then"

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
	Shards         []Shard          `json:"shards,omitempty"`
}

// Shard is a stretch of one Collector's parts of a run without a gap. By these
// stretches merge knows whether every shard was there all the time: what nothing
// arrived for while one was not is undecided.
type Shard struct {
	Instance string    `json:"instance"`
	Started  time.Time `json:"started"` // the Collector itself
	First    uint64    `json:"first"`   // numbers of the parts, from 1
	Last     uint64    `json:"last"`
	Begin    time.Time `json:"begin"` // what the parts cover
	End      time.Time `json:"end"`
	// FirstAttempt and LastAttempt are when attempts in them began; zero for none.
	FirstAttempt time.Time `json:"first_attempt,omitzero"`
	LastAttempt  time.Time `json:"last_attempt,omitzero"`
	// Final says that nothing of the run was left open at the end, and Stopped
	// that the Collector was shut down there.
	Final   bool `json:"final,omitempty"`
	Stopped bool `json:"stopped,omitempty"`
	// SettleMS is how long a span waits for its attempt, and Shards how many
	// shards there are by configuration; 0 when that is not known.
	SettleMS int `json:"settle_ms"`
	Shards   int `json:"shards,omitempty"`
}

// MissingAttempt is an attempt whose verdict a claim from another part can
// change: missing, a lost SERVER span told by counting, or undecided. It has
// the rows that it counts in.
type MissingAttempt struct {
	TraceID tracecontext.TraceID `json:"trace_id"`
	SpanID  tracecontext.SpanID  `json:"span_id"`
	Keys    map[string]string    `json:"keys"`           // row key by dimension
	Start   time.Time            `json:"start,omitzero"` // of the attempt
	// DurationMS is how long the attempt took, in milliseconds, rounded up.
	DurationMS int    `json:"duration_ms,omitempty"`
	Order      int    `json:"order,omitempty"`    // among the attempts of its trace
	Injected   bool   `json:"injected,omitempty"` // a toxic took its context
	Silent     bool   `json:"silent,omitempty"`   // it got no answer
	Verdict    string `json:"verdict,omitempty"`  // as judged; empty for missing
	Merged     string `json:"merged,omitempty"`   // as merged; empty when unchanged
}

// Claim is a SERVER span that names an attempt of another part. Its root is the
// attempt's own trace when the trace was split between parts, and another trace
// when the service started one of its own.
type Claim struct {
	TraceID tracecontext.TraceID `json:"trace_id"` // of the attempt
	SpanID  tracecontext.SpanID  `json:"span_id"`  // of the attempt
	Root    tracecontext.TraceID `json:"root_trace_id"`
}

// addEvidence keeps what merge needs to move a restarted attempt.
func (b *Builder) addEvidence(o verdict.Outcome) {
	if b.partial == nil {
		return
	}
	for i := range o.Results {
		r := &o.Results[i]
		judged, claimable := claimable(r, len(o.Results))
		if !claimable {
			continue
		}
		if len(b.partial.Missing) >= MaxEvidence {
			b.partial.MissingDropped++
			continue
		}
		b.partial.Missing = append(b.partial.Missing, MissingAttempt{
			TraceID: r.Attempt.TraceID, SpanID: r.Attempt.SpanID, Keys: b.keys(r.Attempt),
			Start: time.Unix(0, r.Attempt.Start).UTC(), DurationMS: wholeMS(r.Attempt.Duration),
			Order: i, Injected: r.Injected, Verdict: judged,
			Silent: r.Attempt.Outcome != span.OutcomeAnswered,
		})
	}
}

// wholeMS rounds nanoseconds up to milliseconds, also those that are whole.
func wholeMS(nanoseconds int64) int {
	const ms = int64(time.Millisecond)
	return int(max(0, nanoseconds)/ms) + 1
}

// claimable reports whether a claim could change the verdict, and names the
// verdict as evidence does. A lost span that is only inferred is one that
// another attempt of the trace may have lost instead; with a span below it that
// claims the attempt, it is certain.
func claimable(r *verdict.Result, attempts int) (judged string, is bool) {
	switch {
	case r.Verdict == verdict.Missing:
		return "", true
	case r.Verdict == verdict.Undecided,
		r.Verdict == verdict.SpanLost && r.Server == nil && (r.Inferred || attempts == 1):
		return r.Verdict.String(), true
	default:
		return "", false
	}
}

// AddClaim keeps a claim on an attempt of another part of a distributed run.
func (b *Builder) AddClaim(c Claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.partial == nil {
		return
	}
	if len(b.partial.Claims) >= MaxEvidence {
		b.partial.ClaimsDropped++
		return
	}
	b.partial.Claims = append(b.partial.Claims, c)
}

// SetShard says which part of which Collector this is.
func (b *Builder) SetShard(s Shard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.partial != nil {
		b.partial.Shards = []Shard{s}
	}
}

func (p *Partial) clone() *Partial {
	if p == nil {
		return nil
	}
	out := *p
	out.Missing, out.Claims = slices.Clone(p.Missing), slices.Clone(p.Claims)
	out.Shards = slices.Clone(p.Shards)
	return &out
}
