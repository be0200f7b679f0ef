package backend

import (
	"context"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// ask makes one query for an entry, and plans the next or concludes.
func (p *Poller) ask(ctx context.Context, e *entry) {
	now := time.Now()
	last, end := p.limits(e)
	if !now.Before(end) {
		p.conclude(e, last, e.tooLate())
		return
	}
	queryCtx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	records, status, err := p.src.Fetch(queryCtx, e.id)
	p.stats.queries.Add(1)
	if ctx.Err() != nil && err != nil {
		return // interrupted: Run marks it
	}
	p.count(status, err)
	fresh := e.unseen(records)
	if len(fresh) > 0 {
		p.stats.spans.Add(uint64(len(fresh)))
		p.cfg.Sink(fresh)
	}
	if e.asked++; err == nil && (e.asked > 1 || !now.Before(last)) {
		err = p.search(queryCtx, e.id)
		if ctx.Err() != nil && err != nil {
			return
		}
	}
	e.failure = ""
	if err != nil {
		e.failure = err.Error()
	}
	if !now.Before(last) {
		p.conclude(e, last, e.failure)
		return
	}
	p.again(e)
}

// search looks for attempts of the trace in other traces. The first query for a
// trace often comes before its spans do, so the search waits for the second.
func (p *Poller) search(ctx context.Context, id tracecontext.TraceID) error {
	source, can := p.src.(Searcher)
	if !can || p.cfg.Wanted == nil {
		return nil
	}
	wanted := p.cfg.Wanted(id)
	if len(wanted) == 0 {
		return nil
	}
	p.stats.searches.Add(1)
	found, err := source.Search(ctx, wanted)
	if len(found) > 0 {
		p.stats.spans.Add(uint64(len(found)))
		p.cfg.Sink(found)
	}
	if err != nil && len(p.cfg.Wanted(id)) == 0 {
		return nil // all were found before it failed
	}
	return err
}

// limits are the times from which on a query is the last, and by which there
// must be a conclusion.
func (p *Poller) limits(e *entry) (last, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.last, e.end
}

// tooLate says why there was no last answer: the source failed until now, or
// its turn did not come.
func (e *entry) tooLate() string {
	if e.failure != "" {
		return e.failure
	}
	return ReasonBacklog
}

func (p *Poller) count(status Status, err error) {
	switch {
	case status == Partial:
		p.stats.partial.Add(1)
	case err != nil:
		p.stats.failed.Add(1)
	case status == Found:
		p.stats.found.Add(1)
	default:
		p.stats.absent.Add(1)
	}
}

// again puts an entry back into the queue, unless it was forgotten meanwhile.
func (p *Poller) again(e *entry) {
	p.mu.Lock()
	current := p.entries[e.id] == e
	if current {
		e.plan(time.Now(), p.cfg.MaxPause)
		p.queue.add(e)
	}
	p.mu.Unlock()
	if current {
		p.changed()
	}
}

// conclude ends an entry: its trace is partial when there is a detail, else the
// source has said all it has. An entry whose time has started again since its last query was
// due goes on.
func (p *Poller) conclude(e *entry, last time.Time, detail string) {
	p.mu.Lock()
	takenOn, extended := e.takenOn, e.last.After(last)
	current := p.entries[e.id] == e
	if current && !extended {
		delete(p.entries, e.id)
	}
	p.mu.Unlock()
	switch {
	case extended:
		p.again(e)
	case !current:
	case detail != "":
		p.giveUp(e.id, detail)
	case p.cfg.Concluded != nil:
		p.cfg.Concluded(e.id, takenOn)
	}
}

// unseen returns the records that earlier answers did not have.
func (e *entry) unseen(records []span.Record) []span.Record {
	if len(records) == 0 {
		return nil
	}
	if e.seen == nil {
		e.seen = make(map[spanKey]struct{}, len(records))
	}
	fresh := records[:0]
	for i := range records {
		key := spanKey{records[i].SpanID, records[i].Kind}
		if _, known := e.seen[key]; !known {
			e.seen[key] = struct{}{}
			fresh = append(fresh, records[i])
		}
	}
	return fresh
}
