package join

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// keepSpans is how many spans a spare entry keeps room for, at most.
const keepSpans = 2

// spares are entries to be used again.
type spares struct {
	list   []*entry
	unused int // of them, since trim
}

// take returns an empty entry.
func (s *spares) take() *entry {
	last := len(s.list) - 1
	if last < 0 {
		return new(entry)
	}
	e := s.list[last]
	s.list[last] = nil
	s.list = s.list[:last]
	s.unused = min(s.unused, last)
	return e
}

// trim lets go of an eighth of what was not used since the last time, so that
// they are as many as are needed between two times that traces settle.
func (s *spares) trim() {
	const share = 8
	keep := len(s.list) - (s.unused+share-1)/share
	clear(s.list[keep:])
	s.list = s.list[:keep]
	s.unused = keep
}

// Recycle takes settled traces back that their receiver has done with, for traces
// to come. Nothing of them may be used any more: neither the traces nor their
// attempts and spans. Traces that are not given back are left to the garbage
// collector.
func (s *Store) Recycle(traces []*Trace) {
	var held *shard // traces settle shard by shard
	for _, t := range traces {
		if t.home == nil {
			continue
		}
		if sh := s.shard(t.ID); sh != held {
			if held != nil {
				held.mu.Unlock()
			}
			sh.mu.Lock()
			held = sh
		}
		held.spare.list = append(held.spare.list, t.home.blank())
	}
	if held != nil {
		held.mu.Unlock()
	}
}

// blank empties the entry of a settled trace, and the trace.
func (e *entry) blank() *entry {
	var spans []span.Record
	if cap(e.spans) <= keepSpans {
		clear(e.spans)
		spans = e.spans[:0]
	}
	t := e.trace
	*t = Trace{}
	*e = entry{spans: spans, trace: t}
	return e
}
