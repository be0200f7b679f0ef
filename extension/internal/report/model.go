package report

import (
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// SchemaVersion is the version of the JSON form that this package writes.
const SchemaVersion = 1

// Report is one run, or one part of a distributed run.
type Report struct {
	SchemaVersion int                   `json:"schema_version"`
	Run           Run                   `json:"run"`
	Phases        []Phase               `json:"phases,omitempty"`
	Totals        Counts                `json:"totals"`
	By            map[string][]Row      `json:"by"` // by dimension, see Dimensions
	Edges         []Edge                `json:"edges,omitempty"`
	Services      []Service             `json:"services,omitempty"`
	Series        Series                `json:"series"`
	Histograms    map[string]*Histogram `json:"histograms"` // by quantity, see Quantities
	Faults        []Fault               `json:"faults,omitempty"`
	Seen          []Seen                `json:"faults_seen,omitempty"`
	Control       Control               `json:"control"`
	Spans         Spans                 `json:"spans"`
	Examples      []Example             `json:"examples,omitempty"`
	Warnings      []string              `json:"warnings,omitempty"`
	Partial       *Partial              `json:"partial,omitempty"`
}

// Run identifies a run and says under which conditions it was made.
type Run struct {
	ID         string            `json:"id"`
	Start      time.Time         `json:"start"`
	End        time.Time         `json:"end"`
	Labels     map[string]string `json:"labels,omitempty"`
	Script     string            `json:"script,omitempty"`
	ScriptHash string            `json:"script_sha256,omitempty"`
	Plan       string            `json:"plan,omitempty"`
	Commit     string            `json:"commit,omitempty"`
	K6Version  string            `json:"k6_version,omitempty"`
	Version    string            `json:"version,omitempty"` // of this extension
	Options    map[string]string `json:"options,omitempty"`
	Source     string            `json:"source,omitempty"`
	Sampling   string            `json:"sampling,omitempty"`
	Instances  int               `json:"instances,omitempty"` // parts that were merged
}

// Phase is one phase of the fault plan as it really ran.
type Phase struct {
	Name   string    `json:"name"`
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Toxics []string  `json:"toxics,omitempty"`
}

// Counts are attempts by verdict. Attempts is the sum of Verdicts.
type Counts struct {
	Attempts  uint64            `json:"attempts"`
	Held      uint64            `json:"held"`
	Broken    uint64            `json:"broken"`
	HopBreaks uint64            `json:"hop_breaks,omitempty"` // expected services that are absent
	Retries   uint64            `json:"retries"`
	Verdicts  map[string]uint64 `json:"verdicts"`
}

// Row is one line of a table.
type Row struct {
	Key string `json:"key"`
	Counts
	Duration *Histogram `json:"duration_ms,omitempty"`
}

// Edge counts the calls from one service to another.
type Edge struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Spans   uint64 `json:"spans"`
	Orphans uint64 `json:"orphans"`
}

// Service says in how many traces a service appeared, and connected.
type Service struct {
	Name      string `json:"name"`
	Traces    uint64 `json:"traces"`
	Connected uint64 `json:"connected"`
}

// Series is the run over time, in buckets of whole seconds.
type Series struct {
	Start         time.Time `json:"start"`
	BucketSeconds int       `json:"bucket_seconds"`
	Buckets       []Bucket  `json:"buckets"`
}

// Bucket is one interval of the series, by the attempts' start.
type Bucket struct {
	Attempts uint64     `json:"attempts"`
	Held     uint64     `json:"held"`
	Broken   uint64     `json:"broken"`
	Errors   uint64     `json:"errors"` // status 0, 4xx or 5xx
	Duration *Histogram `json:"duration_ms,omitempty"`
}

// Fault is what one toxic counted itself, in one phase. Injected + unreached =
// marked + unmarked, and marked is what the load finds in [Seen], if it read every
// response and nobody else sent requests.
type Fault struct {
	Phase         string `json:"phase"`
	Proxy         string `json:"proxy"`
	Toxic         string `json:"toxic"`
	Type          string `json:"type"`
	Mode          string `json:"mode,omitempty"`
	Seen          uint64 `json:"seen"`
	Selected      uint64 `json:"selected"`
	Injected      uint64 `json:"injected"`
	Marked        uint64 `json:"marked,omitempty"`    // responses that went out with its mark
	Unreached     uint64 `json:"unreached,omitempty"` // marked, the body ended before the cut
	Unmarked      uint64 `json:"unmarked,omitempty"`  // injected, no response went out
	PassedThrough uint64 `json:"passed_through"`      // connections of the proxy since it was made
	Unpaired      uint64 `json:"unpaired"`            // the same: not to be added up
}

// Seen is what the load saw of one toxic, by the X-Toxic headers it was sent.
type Seen struct {
	Phase string `json:"phase"`
	Proxy string `json:"proxy,omitempty"` // empty where the toxic does not say it
	Toxic string `json:"toxic"`
	Type  string `json:"type"`
	Mode  string `json:"mode,omitempty"`
	Count uint64 `json:"count"`
}

// Control compares the context breaks that toxics injected with the breaks
// that the checker found. Only attempts count of which a SERVER span was due.
type Control struct {
	Injected   uint64 `json:"injected"`   // marked by a toxic as stripped of context
	Detected   uint64 `json:"detected"`   // of those, judged broken
	FalseBreak uint64 `json:"unprovoked"` // judged broken without a mark
	// Unsure attempts are in none of the above: whether a toxic broke them cannot
	// be told. Broken ones that got no answer, as it is the answer that carries
	// the mark, and marked ones that held and that the transport sent more than
	// once, as the mark speaks of one send.
	Unsure uint64 `json:"unsure,omitempty"`
}

// Spans accounts for all spans: the load's own, and those of the services.
type Spans struct {
	Started     uint64 `json:"started"`
	Exported    uint64 `json:"exported"`
	Failed      uint64 `json:"failed"`
	Dropped     uint64 `json:"dropped"`
	InFlight    uint64 `json:"in_flight"`
	Received    uint64 `json:"received"`
	Rejected    uint64 `json:"rejected"`
	Redelivered uint64 `json:"redelivered"`
	Foreign     uint64 `json:"foreign"`
	Late        uint64 `json:"late"`
	Truncated   uint64 `json:"truncated"`
	Evicted     uint64 `json:"evicted_traces"`
	HookErrors  uint64 `json:"hook_errors"`
	FlagBreaks  uint64 `json:"flag_breaks"`
	StateBreaks uint64 `json:"tracestate_breaks"`
	Excluded    uint64 `json:"excluded_requests"`
}

// Example is one trace of a kind of verdict, with its attempts and spans.
type Example struct {
	Verdict  string               `json:"verdict"`
	Reason   string               `json:"reason,omitempty"`
	TraceID  tracecontext.TraceID `json:"trace_id"`
	Attempts []ExampleAttempt     `json:"attempts"`
	Unlisted int                  `json:"omitted_attempts,omitempty"`
	Spans    []ExampleSpan        `json:"spans,omitempty"`
	Omitted  int                  `json:"omitted_spans,omitempty"`
}

// ExampleAttempt is one attempt of an example. Times are milliseconds from the
// trace's first attempt, by the load's clock.
type ExampleAttempt struct {
	SpanID     tracecontext.SpanID `json:"span_id"`
	ParentID   tracecontext.SpanID `json:"parent_id"`
	Number     int                 `json:"number"`
	Resend     int                 `json:"resend_count"`
	Verdict    string              `json:"verdict"`
	Reason     string              `json:"reason,omitempty"`
	Method     string              `json:"method"`
	Name       string              `json:"name"`
	Phase      string              `json:"phase,omitempty"`
	Status     int                 `json:"status"`
	ErrorType  string              `json:"error_type,omitempty"`
	StartMS    float64             `json:"start_ms"`
	DurationMS float64             `json:"duration_ms"`
	BackoffMS  float64             `json:"backoff_ms,omitempty"`
	BlockedMS  float64             `json:"blocked_ms,omitempty"`
	Toxics     []span.Mark         `json:"toxics,omitempty"`
}

// ExampleSpan is one received span of an example. StartMS is by the service's
// own clock, from the trace's first attempt. A claimed span belongs to another
// trace and is tied to an attempt by its User-Agent.
type ExampleSpan struct {
	TraceID    tracecontext.TraceID `json:"trace_id"`
	SpanID     tracecontext.SpanID  `json:"span_id"`
	ParentID   tracecontext.SpanID  `json:"parent_id"`
	Service    string               `json:"service,omitempty"`
	Name       string               `json:"name"`
	Kind       string               `json:"kind"`
	Status     int                  `json:"status,omitempty"`
	StartMS    float64              `json:"start_ms"`
	DurationMS float64              `json:"duration_ms"`
	Claimed    bool                 `json:"claimed,omitempty"` // of another trace, see there
}

// Dimensions are the tables of a report, in the order in which they are shown.
func Dimensions() []string { return []string{"phase", "name", "attempt", "scenario", "service"} }

// Quantities are the histograms of a report: attempt duration, waiting for a
// connection, backoff before an attempt, and the time a trace took to settle.
func Quantities() []string {
	return []string{"duration_ms", "blocked_ms", "backoff_ms", "settle_ms"}
}

// Continuity is held / (held + broken), and its two parts. Without an expected
// attempt the rate is 1.
func (r *Report) Continuity() (rate float64, held, broken uint64) { return r.Totals.Continuity() }

// Continuity is held / (held + broken), and its two parts. Without an expected
// attempt the rate is 1.
func (c Counts) Continuity() (rate float64, held, broken uint64) {
	broken = c.Broken + c.HopBreaks
	if c.Held+broken == 0 {
		return 1, 0, 0
	}
	return float64(c.Held) / float64(c.Held+broken), c.Held, broken
}
