package backend

import (
	"container/heap"
	"encoding/binary"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// spanKey tells the spans of a trace apart, also where a client and a server
// share one id, as Zipkin's do.
type spanKey struct {
	id   tracecontext.SpanID
	kind span.Kind
}

// entry is one trace that the source is asked for.
type entry struct {
	id      tracecontext.TraceID
	next    time.Time     // of the next query
	takenOn time.Time     // when its time started last; under the poller's lock
	last    time.Time     // a query from this time on is the last one; under the poller's lock
	end     time.Time     // by then there must be a conclusion; under the poller's lock
	pause   time.Duration // before the next query
	index   int           // in the schedule; -1 while not queued
	seen    map[spanKey]struct{}
	asked   int // queries so far

	failure string // why the latest query had no usable answer; empty when it had
}

// newEntry plans the first query. The last one is made when a fifth of the
// time is left for it to be answered.
func newEntry(id tracecontext.TraceID, now time.Time, cfg *PollerConfig) *entry {
	e := &entry{id: id, pause: cfg.First, index: -1}
	e.extend(now, cfg)
	e.plan(now, cfg.MaxPause)
	return e
}

// extend starts the entry's time again.
func (e *entry) extend(now time.Time, cfg *PollerConfig) {
	e.takenOn, e.end, e.last = now, now.Add(cfg.Settle), now.Add(cfg.Settle-cfg.Settle/5)
}

// plan sets the time of the next query, and doubles the pause after it.
func (e *entry) plan(now time.Time, longest time.Duration) {
	e.next = now.Add(e.pause)
	if e.next.After(e.last) {
		e.next = e.last
	}
	e.pause = min(2*e.pause, longest)
}

// schedule is a heap of entries, the next query first.
type schedule []*entry

func (s *schedule) add(e *entry) { heap.Push(s, e) }

// remove takes an entry out, if it is in.
func (s *schedule) remove(e *entry) {
	if e.index >= 0 {
		heap.Remove(s, e.index)
	}
}

// Len is part of heap.Interface.
func (s schedule) Len() int { return len(s) }

// Less is part of heap.Interface.
func (s schedule) Less(i, j int) bool { return s[i].next.Before(s[j].next) }

// Swap is part of heap.Interface.
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push is part of heap.Interface.
func (s *schedule) Push(x any) {
	e, ok := x.(*entry)
	if !ok {
		return
	}
	e.index = len(*s)
	*s = append(*s, e)
}

// Pop is part of heap.Interface.
func (s *schedule) Pop() any {
	n := len(*s) - 1
	e := (*s)[n]
	(*s)[n] = nil
	*s = (*s)[:n]
	e.index = -1
	return e
}

// mix hashes an id with a seed, evenly over 64 bits (the finalizer of
// splitmix64).
func mix(id tracecontext.TraceID, seed uint64) uint64 {
	x := seed ^ binary.BigEndian.Uint64(id[:8]) ^ 0x9e3779b97f4a7c15
	for _, part := range [...]uint64{binary.BigEndian.Uint64(id[8:]), seed} {
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x = x ^ x>>31 ^ part
	}
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
