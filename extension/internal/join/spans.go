package join

import (
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// group is how many spans are sorted by shard at a time.
const group = 512

// arrival is when spans came: as [Store.at] has it, and by the wall clock, which says when
// attempts were sent.
type arrival struct {
	at, wall int64
	noted    bool // by Root, before
}

func (s *Store) arrival(now time.Time) arrival {
	return arrival{at: s.at(now), wall: now.UnixNano()}
}

// Spans takes a batch of spans. The slice may be reused after the call.
func (s *Store) Spans(batch []span.Record, now time.Time) { s.take(batch, s.arrival(now)) }

// Noted takes spans that [Store.Root] was told of, however long ago.
func (s *Store) Noted(batch []span.Record, now time.Time) {
	came := s.arrival(now)
	came.noted = true
	s.take(batch, came)
}

func (s *Store) take(batch []span.Record, came arrival) {
	s.spans.Add(uint64(len(batch)))
	for len(batch) > 0 {
		n := min(group, len(batch))
		s.group(batch[:n], came)
		batch = batch[n:]
	}
}

// group gives spans to their traces, shard by shard, and those that claim another
// trace to that one.
func (s *Store) group(batch []span.Record, came arrival) {
	var ends [shardCount + 1]uint16
	var order [group]uint16
	var fates [group]fate
	for i := range batch {
		ends[shardOf(&batch[i].TraceID)+1]++
	}
	for i := range shardCount {
		ends[i+1] += ends[i]
	}
	for i := range batch {
		end := &ends[shardOf(&batch[i].TraceID)]
		order[*end] = uint16(i)
		*end++
	}
	next := uint16(0)
	for i := range s.shards {
		if next == ends[i] {
			continue
		}
		sh := &s.shards[i]
		sh.mu.Lock()
		for ; next < ends[i]; next++ {
			r := &batch[order[next]]
			fates[order[next]] = s.insert(sh, &r.TraceID, r, came.at)
		}
		sh.mu.Unlock()
	}
	for i := range batch {
		s.account(&batch[i], fates[i], came)
	}
}

// account counts what became of a span in its own trace, and gives it to the one
// that it claims.
func (s *Store) account(r *span.Record, own fate, came arrival) {
	other := unknown
	if r.Handles() && r.Misplaced() {
		sh := s.lock(r.Claim.TraceID)
		other = s.insert(sh, &r.Claim.TraceID, r, came.at)
		sh.mu.Unlock()
	}
	if own == unknown {
		own = other
	}
	switch own {
	case unknown:
		s.foreign.Add(1)
		if !came.noted {
			s.root(r, came)
		}
	case redelivered:
		s.redelivered.Add(1)
	case truncated:
		s.truncated.Add(1)
	case late:
		s.late.Add(1)
	case taken:
	}
}

// Root takes note of a span that the caller still keeps for itself: where it began a trace,
// that may be the restarted one of an attempt ([Trace.Roots]). It is not counted, and [Store.Noted]
// may take it later.
func (s *Store) Root(r *span.Record, now time.Time) { s.root(r, s.arrival(now)) }

func (s *Store) root(r *span.Record, came arrival) {
	s.roots.keep(r, came, came.at-2*int64(s.config.Settle))
}

// insert gives the span to a trace of ours, if it is one. The shard is locked.
func (s *Store) insert(
	sh *shard, id *tracecontext.TraceID, r *span.Record, at int64,
) fate {
	_, e := sh.traces.find(id)
	if e == nil {
		if sh.recent.has(*id) {
			return late
		}
		return unknown
	}
	fate := e.insert(r, s.config.MaxSpans)
	if fate == taken {
		e.touch(at)
	}
	return fate
}
