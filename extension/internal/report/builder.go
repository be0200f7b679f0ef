package report

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// MaxRows bounds every table; further keys share the row [Other].
const MaxRows = 200

// Other is the row of the keys beyond [MaxRows].
const Other = "(other)"

// MaxBuckets bounds the series; a longer run has coarser buckets.
const MaxBuckets = 1800

// maxWarnings bounds the warnings that a report repeats.
const maxWarnings = 100

// BuilderOptions sets what of a run is kept beside the counts.
type BuilderOptions struct {
	Examples int    // per verdict; default 8
	Seed     uint64 // of the choice of examples
	Partial  bool   // keep evidence for merge
}

// Builder adds settled traces to a report. It is safe for concurrent use.
type Builder struct {
	mu       sync.Mutex
	options  BuilderOptions
	random   *rand.Rand
	run      Run
	phases   []Phase
	totals   Counts
	by       map[string]*table
	edges    map[[2]string]*Edge
	services map[string]*Service
	series   series
	hist     map[string]*Histogram
	faults   []Fault
	seen     map[Seen]uint64
	control  Control
	spans    Spans
	extra    Spans // what is counted from outcomes
	examples map[verdict.Verdict]*reservoir
	warnings []string
	partial  *Partial
}

// NewBuilder starts a report of the run.
func NewBuilder(run Run, o BuilderOptions) *Builder {
	if o.Examples == 0 {
		o.Examples = 8
	}
	b := &Builder{
		options: o, run: run, random: newRandom(o.Seed),
		totals: newCounts(), by: make(map[string]*table), edges: make(map[[2]string]*Edge),
		services: make(map[string]*Service), series: newSeries(run.Start),
		hist: make(map[string]*Histogram), seen: make(map[Seen]uint64),
		examples: make(map[verdict.Verdict]*reservoir),
	}
	for _, dimension := range Dimensions() {
		b.by[dimension] = &table{rows: make(map[string]*Row)}
	}
	for _, quantity := range Quantities() {
		b.hist[quantity] = NewHistogram()
	}
	if o.Partial {
		b.partial = &Partial{}
	}
	return b
}

// newRandom draws the examples.
func newRandom(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a sample needs no secrecy
}

func newCounts() Counts { return Counts{Verdicts: make(map[string]uint64)} }

// Warn adds a warning to the report, once.
func (b *Builder) Warn(message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.warnings) < maxWarnings && !slices.Contains(b.warnings, message) {
		b.warnings = append(b.warnings, message)
	}
}

// SetPhases sets the phases as they have run so far.
func (b *Builder) SetPhases(phases []Phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phases = phases
}

// SetFaults sets what the toxics have counted so far.
func (b *Builder) SetFaults(faults []Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = faults
}

// SetSpans sets the ledger of spans as of now.
func (b *Builder) SetSpans(spans Spans) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spans = spans
}

// Add counts one settled trace.
func (b *Builder) Add(o verdict.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sent map[sendKey]bool
	for i := range o.Results {
		r := &o.Results[i]
		var retries uint64
		key := sendKey{r.Attempt.Operation, r.Attempt.Number}
		if key.number > 1 && !sent[key] {
			if sent == nil {
				sent = make(map[sendKey]bool)
			}
			sent[key] = true
			retries = 1
		}
		b.addResult(r, retries)
		if b.wants(r.Verdict) {
			b.keep(r.Verdict, o, i)
		}
	}
	b.totals.HopBreaks += uint64(len(o.ExpectedMissing))
	b.hist["settle_ms"].Record(o.Trace.SettleTime)
	b.extra.FlagBreaks += o.FlagBreaks
	b.extra.StateBreaks += o.StateBreaks
	b.addHops(o)
	b.addEvidence(o)
}

type sendKey struct {
	operation [8]byte
	number    uint16
}

// keys are the rows that an attempt counts in, by dimension.
func keys(a *span.Attempt) map[string]string {
	return map[string]string{
		"phase":    a.Labels.Phase,
		"name":     requestName(a.Labels),
		"attempt":  strconv.Itoa(int(a.Number)),
		"scenario": a.Labels.Scenario,
		"service":  a.Labels.Service,
	}
}

// requestName is the name tag without its query, which may hold secrets.
func requestName(l *span.Labels) string {
	name, _, hasQuery := strings.Cut(l.Name, "?")
	if hasQuery {
		name += "?…"
	}
	return clip(name)
}

// maxText bounds every string that comes from outside, in bytes.
const maxText = 200

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

func (b *Builder) addResult(r *verdict.Result, retries uint64) {
	a := r.Attempt
	duration := time.Duration(a.Duration)
	b.totals.add(r.Verdict, retries)
	for dimension, key := range keys(a) {
		row := b.by[dimension].row(key)
		row.add(r.Verdict, retries)
		row.Duration.Record(duration)
	}
	b.series.add(r, duration)
	b.hist["duration_ms"].Record(duration)
	b.hist["blocked_ms"].Record(time.Duration(a.Blocked))
	if a.Backoff > 0 {
		b.hist["backoff_ms"].Record(time.Duration(a.Backoff))
	}
	if a.Marks != nil {
		for _, m := range a.Marks.List {
			seen := Seen{
				Phase: a.Labels.Phase, Toxic: clip(m.Name), Type: clip(m.Type), Mode: clip(m.Mode),
			}
			b.seen[seen]++
		}
	}
	if !r.Verdict.Expected() {
		return
	}
	switch {
	case r.Injected && r.Verdict.Broken():
		b.control.Injected++
		b.control.Detected++
	case r.Injected:
		b.control.Injected++
	case r.Verdict.Broken():
		b.control.FalseBreak++
	}
}

func (c *Counts) add(v verdict.Verdict, retries uint64) {
	c.Attempts++
	c.Verdicts[v.String()]++
	switch {
	case v.Held():
		c.Held++
	case v.Broken():
		c.Broken++
	}
	c.Retries += retries
}

// statusBad is the first status of an error.
const statusBad = 400

func failed(a *span.Attempt) bool { return a.Status == 0 || a.Status >= statusBad }

func (b *Builder) addHops(o verdict.Outcome) {
	for _, e := range o.Edges {
		key := [2]string{clip(e.From), clip(e.To)}
		edge := b.edges[key]
		if edge == nil {
			if len(b.edges) >= MaxRows {
				key = [2]string{Other, Other}
			}
			if edge = b.edges[key]; edge == nil {
				edge = &Edge{From: key[0], To: key[1]}
				b.edges[key] = edge
			}
		}
		edge.Spans += e.Spans
		edge.Orphans += e.Orphans
	}
	for _, p := range o.Services {
		name := clip(p.Service)
		service := b.services[name]
		if service == nil {
			if len(b.services) >= MaxRows {
				name = Other
			}
			if service = b.services[name]; service == nil {
				service = &Service{Name: name}
				b.services[name] = service
			}
		}
		service.Traces++
		if p.Connected {
			service.Connected++
		}
	}
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
			TraceID: r.Attempt.TraceID, SpanID: r.Attempt.SpanID, Keys: keys(r.Attempt),
			Order: i, Injected: r.Injected, Verdict: judged,
		})
	}
}

// claimable reports whether a claim could change the verdict, and names the
// verdict as evidence does. A lost span that is only inferred is one that
// another attempt of the trace may have lost instead.
func claimable(r *verdict.Result, attempts int) (judged string, is bool) {
	switch {
	case r.Verdict == verdict.Missing:
		return "", true
	case r.Verdict == verdict.Undecided,
		r.Verdict == verdict.SpanLost && (r.Inferred || attempts == 1):
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

// Report returns the report as of now. It shares nothing with the builder.
func (b *Builder) Report(end time.Time) *Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Report{
		SchemaVersion: SchemaVersion,
		Run:           b.run,
		Phases:        slices.Clone(b.phases),
		Totals:        b.totals.clone(),
		By: make(
			map[string][]Row,
		),
		Series:     b.series.report(),
		Histograms: make(map[string]*Histogram),
		Faults:     slices.Clone(b.faults),
		Control:    b.control,
		Spans:      b.spans,
		Warnings:   slices.Clone(b.warnings),
		Examples:   b.reportExamples(),
	}
	r.Run.End = end
	r.Run.Labels, r.Run.Options = maps.Clone(b.run.Labels), maps.Clone(b.run.Options)
	r.Spans.FlagBreaks, r.Spans.StateBreaks = b.extra.FlagBreaks, b.extra.StateBreaks
	for dimension, t := range b.by {
		r.By[dimension] = t.report(b.order(dimension))
	}
	for name, h := range b.hist {
		r.Histograms[name] = h.Clone()
	}
	for _, e := range b.edges {
		r.Edges = append(r.Edges, *e)
	}
	for _, s := range b.services {
		r.Services = append(r.Services, *s)
	}
	for key, n := range b.seen {
		key.Count = n
		r.Seen = append(r.Seen, key)
	}
	r.sort()
	if b.partial != nil {
		partial := *b.partial
		partial.Missing, partial.Claims = slices.Clone(
			partial.Missing,
		), slices.Clone(
			partial.Claims,
		)
		r.Partial = &partial
	}
	return r
}
