package report

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

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
	totals   *tallied
	absent   uint64 // expected services
	by       map[string]*table
	edges    map[[2]string]*Edge
	services map[string]*Service
	series   series
	blocked  *Histogram
	backoff  *Histogram
	settled  *Histogram
	faults   []Fault
	seen     map[Seen]uint64
	control  Control
	spans    Spans
	extra    Spans // what is counted from outcomes
	examples map[verdict.Verdict]*reservoir
	warnings []string
	partial  *Partial
	places   map[*span.Labels]*places

	// Where names count that need no scrubbing, as far as they are remembered.
	edgesNamed    map[[2]string]*Edge
	servicesNamed map[string]*Service
}

// NewBuilder starts a report of the run.
func NewBuilder(run Run, o BuilderOptions) *Builder {
	if o.Examples == 0 {
		o.Examples = 8
	}
	b := &Builder{
		options: o, run: run.scrubbed(), random: newRandom(o.Seed),
		totals: newTallied(""), by: make(map[string]*table), edges: make(map[[2]string]*Edge),
		services: make(map[string]*Service), series: newSeries(run.Start),
		blocked: NewHistogram(), backoff: NewHistogram(), settled: NewHistogram(),
		seen: make(map[Seen]uint64), examples: make(map[verdict.Verdict]*reservoir),
		places:     make(map[*span.Labels]*places),
		edgesNamed: make(map[[2]string]*Edge), servicesNamed: make(map[string]*Service),
	}
	for _, dimension := range Dimensions() {
		b.by[dimension] = &table{rows: make(map[string]*tallied)}
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

// Warn adds a warning to the report, once.
func (b *Builder) Warn(message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	message = scrub(message)
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

// SetOptions adds options to those of the run, once they are known.
func (b *Builder) SetOptions(options map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.run.Options == nil {
		b.run.Options = make(map[string]string, len(options))
	}
	maps.Copy(b.run.Options, scrubMap(options))
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
