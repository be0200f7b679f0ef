package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Reasons that the poller gives for a trace that the source was not, or not
// in time, asked for.
const (
	ReasonNotSampled  = "not in the sample that the source is asked for"
	ReasonBacklog     = "the source could not be asked in time: too many traces are due"
	ReasonInterrupted = "asking the source was interrupted"
)

// PollerConfig says how a source is asked, and where the answers go.
type PollerConfig struct {
	Sample      float64       // share of traces that are asked for; 0 means all
	Seed        uint64        // same seed, same sample
	Concurrency int           // queries at a time; 0 means 8
	MaxPending  int           // traces waiting; 0 means 200,000
	Settle      time.Duration // from Enqueue to the conclusion on a trace; 0 means 10s
	First       time.Duration // pause before the first query; 0 means a tenth of Settle
	MaxPause    time.Duration // longest pause between queries; 0 means a third of Settle

	// Sink takes new spans, from several goroutines; the slice is not reused.
	Sink func([]span.Record)
	// MarkPartial is told, each time that a trace was taken on, that nothing can be
	// concluded from spans that are absent. It returns whether that is news.
	MarkPartial func(id tracecontext.TraceID, detail string) bool
	// Wanted lists the attempts of a trace that no span answers so far. A source
	// that is a [Searcher] is searched for them, from the second query on; a
	// search that fails at last makes the trace partial. May be nil.
	Wanted func(id tracecontext.TraceID) []Wanted
	// Concluded is told that the source has answered the last query for a trace:
	// it has no more of what was due when the trace was last taken on. May be nil.
	Concluded func(id tracecontext.TraceID, takenOn time.Time)
}

func (c *PollerConfig) normalize() error {
	switch {
	case c.Sample < 0 || c.Sample > 1:
		return fmt.Errorf("sample must be between 0 and 1, got %v", c.Sample)
	case c.Concurrency < 0 || c.Concurrency > 256:
		return fmt.Errorf("concurrency must be between 1 and 256, got %d", c.Concurrency)
	case c.MaxPending < 0 || c.Settle < 0 || c.First < 0 || c.MaxPause < 0:
		return errors.New("limits and times must not be negative")
	case c.Sink == nil || c.MarkPartial == nil:
		return errors.New("a sink and a function for partial traces are required")
	}
	setDefault(&c.Sample, 1)
	setDefault(&c.Concurrency, 8)
	setDefault(&c.MaxPending, 200_000)
	setDefault(&c.Settle, 10*time.Second)
	setDefault(&c.First, c.Settle/10)
	setDefault(&c.MaxPause, c.Settle/3)
	return nil
}

func setDefault[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// PollerStats counts what a poller has done so far.
type PollerStats struct {
	Pending    int    // traces waiting for their last query
	Enqueued   uint64 // traces taken on
	NotSampled uint64 // traces left out by Sample
	Queries    uint64
	Found      uint64 // answers with spans
	Absent     uint64 // answers without
	Partial    uint64 // answers that were partial
	Failed     uint64 // queries without a usable answer
	Undecided  uint64 // traces marked partial
	Searches   uint64 // for restarted traces
	Spans      uint64 // handed to the sink
}

// Poller asks a source for the traces that are due, each until it is
// forgotten or its time is over. The last query for a trace is made shortly
// before the end of its time; what that one says counts. When all workers are
// held up by a slow source, a conclusion may come later than Settle, by at most
// the time limit of one query: whoever judges must wait that much longer.
type Poller struct {
	src     Source
	cfg     PollerConfig
	mu      sync.Mutex
	queue   schedule
	entries map[tracecontext.TraceID]*entry
	wake    chan struct{} // holds a token when the queue has changed
	stats   struct {
		enqueued, notSampled, queries, found, absent atomic.Uint64
		partial, failed, undecided, spans, searches  atomic.Uint64
	}
}

// NewPoller returns a poller; nothing is asked before Run.
func NewPoller(src Source, cfg PollerConfig) (*Poller, error) {
	if err := cfg.normalize(); err != nil {
		return nil, err
	}
	return &Poller{
		src: src, cfg: cfg,
		entries: make(map[tracecontext.TraceID]*entry),
		wake:    make(chan struct{}, 1),
	}, nil
}

// Selected reports whether a trace is in the sample. It depends on the id and
// the seed only.
func (p *Poller) Selected(id tracecontext.TraceID) bool {
	if p.cfg.Sample >= 1 {
		return true
	}
	return float64(mix(id, p.cfg.Seed)>>11)/(1<<53) < p.cfg.Sample
}

// Enqueue takes on a trace that has become due. The poller's time for it
// starts now and lasts Settle; for a trace that it has already, it starts again.
// A trace outside the sample, or one too many, is marked partial at once.
func (p *Poller) Enqueue(id tracecontext.TraceID, now time.Time) {
	if !p.Selected(id) {
		if p.giveUp(id, ReasonNotSampled) {
			p.stats.notSampled.Add(1)
		}
		return
	}
	p.mu.Lock()
	known := p.entries[id]
	full := known == nil && len(p.entries) >= p.cfg.MaxPending
	switch {
	case known != nil:
		known.extend(now, &p.cfg)
	case !full:
		e := newEntry(id, now, &p.cfg)
		p.entries[id] = e
		p.queue.add(e)
	}
	p.mu.Unlock()
	switch {
	case known != nil:
	case full:
		p.giveUp(id, ReasonBacklog)
	default:
		p.stats.enqueued.Add(1)
		p.changed()
	}
}

// Forget ends the queries for a trace that has settled. It may be open again by now, and
// taken on anew: this is asked under the lock, which must not be held by who answers.
func (p *Poller) Forget(id tracecontext.TraceID, open func(tracecontext.TraceID) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.entries[id]; e != nil && !open(id) {
		delete(p.entries, id)
		p.queue.remove(e)
	}
}

// Stats returns the counts so far.
func (p *Poller) Stats() PollerStats {
	p.mu.Lock()
	pending := len(p.entries)
	p.mu.Unlock()
	s := &p.stats
	return PollerStats{
		Pending: pending, Enqueued: s.enqueued.Load(), NotSampled: s.notSampled.Load(),
		Queries: s.queries.Load(), Found: s.found.Load(), Absent: s.absent.Load(),
		Partial: s.partial.Load(), Failed: s.failed.Load(), Undecided: s.undecided.Load(),
		Searches: s.searches.Load(), Spans: s.spans.Load(),
	}
}

// Run asks until ctx ends; then it marks what is left as partial and returns
// when the last query has come back.
func (p *Poller) Run(ctx context.Context) {
	work := make(chan *entry)
	var workers sync.WaitGroup
	for range p.cfg.Concurrency {
		workers.Go(func() {
			for e := range work {
				p.ask(ctx, e)
			}
		})
	}
	p.dispatch(ctx, work)
	close(work)
	workers.Wait()
	for _, id := range p.drain() {
		p.giveUp(id, ReasonInterrupted)
	}
}

// dispatch hands entries to the workers when their time comes.
func (p *Poller) dispatch(ctx context.Context, work chan<- *entry) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		e, pause := p.take(time.Now())
		if e != nil {
			if !p.hand(ctx, e, work) {
				return
			}
			continue
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
			return
		}
	}
}

// hand passes an entry to the next free worker. When its time is over before
// one is free, it is concluded here. It returns false when ctx has ended.
func (p *Poller) hand(ctx context.Context, e *entry, work chan<- *entry) bool {
	select {
	case work <- e:
		return true
	default:
	}
	last, end := p.limits(e)
	expired := time.NewTimer(time.Until(end))
	defer expired.Stop()
	select {
	case work <- e:
	case <-expired.C:
		p.conclude(e, last, e.tooLate())
	case <-ctx.Done():
		return false
	}
	return true
}

// take removes the first entry that is due from the queue, or says how long
// there is none.
func (p *Poller) take(now time.Time) (*entry, time.Duration) {
	const idle = time.Minute
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, idle
	}
	if wait := p.queue[0].next.Sub(now); wait > 0 {
		return nil, wait
	}
	e := p.queue[0]
	p.queue.remove(e)
	return e, 0
}

func (p *Poller) drain() []tracecontext.TraceID {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make([]tracecontext.TraceID, 0, len(p.entries))
	for id := range p.entries {
		ids = append(ids, id)
	}
	clear(p.entries)
	p.queue = nil
	return ids
}

func (p *Poller) changed() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// giveUp reports whether the trace was not given up before.
func (p *Poller) giveUp(id tracecontext.TraceID, detail string) bool {
	news := p.cfg.MarkPartial(id, detail)
	if news {
		p.stats.undecided.Add(1)
	}
	return news
}
