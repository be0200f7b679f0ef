package join

import (
	"sync"
	"time"
)

// spares are entries, or traces, to be used again.
type spares[T any] struct {
	list   []*T
	unused int // of them, since trim
}

// take returns an empty one.
func (s *spares[T]) take() *T {
	last := len(s.list) - 1
	if last < 0 {
		return new(T)
	}
	spare := s.list[last]
	s.list[last] = nil
	s.list = s.list[:last]
	s.unused = min(s.unused, last)
	return spare
}

// give takes one back that is empty.
func (s *spares[T]) give(spare *T) { s.list = append(s.list, spare) }

// trim lets go of an eighth of what was not used since the last time, so that
// they are as many as are needed between two times that traces settle.
func (s *spares[T]) trim() {
	const share = 8
	keep := copy(s.list, s.list[(s.unused+share-1)/share:])
	clear(s.list[keep:])
	s.list = s.list[:keep]
	s.unused = keep
}

// part is how many settled traces [Store.Settle] hands over at a time, about: few
// enough that all of them are still in the processor's cache.
const part = 256

// lending is what settled traces are given out with. Its lock comes before those of
// the shards.
type lending struct {
	mu     sync.Mutex
	blanks spares[Trace]
	part   []*Trace
}

// Settle is [Store.Advance] and [Store.Recycle] for a receiver who keeps nothing of
// a trace: it hands out what has settled in parts, and takes each back when take
// returns. Only others who settle wait for take, which must not be one of them.
func (s *Store) Settle(now time.Time, take func([]*Trace)) {
	l := &s.lending
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blanks.trim()
	for i := range s.shards {
		l.part = s.advance(&s.shards[i], now, l.part)
		if len(l.part) < part && i < shardCount-1 || len(l.part) == 0 {
			continue
		}
		take(l.part)
		s.recycle(l.part)
		l.part = emptied(l.part)
	}
}

// Recycle takes settled traces back that their receiver has done with, for traces
// to come. Nothing of them may be used any more: neither the traces nor their
// attempts and spans. Traces that are not given back are left to the garbage
// collector.
func (s *Store) Recycle(traces []*Trace) {
	s.lending.mu.Lock()
	defer s.lending.mu.Unlock()
	s.recycle(traces)
}

// recycle is Recycle, with the lending locked.
func (s *Store) recycle(traces []*Trace) {
	var held *shard // they settled shard by shard
	for _, t := range traces {
		e := t.home
		if e == nil { // given back before
			continue
		}
		if sh := s.shard(e.id); sh != held {
			if held != nil {
				held.mu.Unlock()
			}
			sh.mu.Lock()
			held = sh
		}
		e.empty()
		held.spare.give(e)
		*t = Trace{}
		s.lending.blanks.give(t)
	}
	if held != nil {
		held.mu.Unlock()
	}
}
