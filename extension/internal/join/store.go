package join

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// shardCount spreads the traces; a power of two.
const shardCount = 64

// Store is the bounded join. It is safe for concurrent use.
type Store struct {
	config Config
	shards [shardCount]shard
	open   atomic.Int64
	hops   sync.Map // *span.Descriptor of CLIENT spans that had a SERVER child

	attempts, spans, foreign, redelivered atomic.Uint64
	late, truncated, settled, evicted     atomic.Uint64
}

// New returns an empty store. The config must be valid.
func New(config Config) *Store {
	s := &Store{config: config.withDefaults()}
	for i := range s.shards {
		s.shards[i].traces = make(map[tracecontext.TraceID]*entry)
	}
	return s
}

func (s *Store) shard(id tracecontext.TraceID) *shard {
	return &s.shards[binary.LittleEndian.Uint64(id[8:])%shardCount]
}

// Open announces a trace before its first attempt is sent, so that spans that
// overtake the attempt's record find it. Several operations may share a trace.
func (s *Store) Open(id tracecontext.TraceID, now time.Time) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.entry(sh, id, now).operations++
}

// Close says that an operation of the trace has ended.
func (s *Store) Close(id tracecontext.TraceID, now time.Time) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.traces[id]; e != nil {
		e.operations--
		e.touch(now)
	}
}

// Attempt records a round trip that has ended.
func (s *Store) Attempt(a span.Attempt, now time.Time) {
	s.attempts.Add(1)
	sh := s.shard(a.TraceID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := s.entry(sh, a.TraceID, now)
	e.attempts = append(e.attempts, a)
	e.lastAttempt = now.UnixNano()
	e.touch(now)
}

// MarkPartial says that the source cannot tell about this trace: what is not
// decided by the spans that came is undecided, with the detail as its reason.
func (s *Store) MarkPartial(id tracecontext.TraceID, detail string, now time.Time) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.traces[id]; e != nil {
		e.partial = detail
		e.touch(now)
	}
}

// Spans takes a batch of spans. The slice may be reused after the call.
func (s *Store) Spans(batch []span.Record, now time.Time) {
	s.spans.Add(uint64(len(batch)))
	for i := range batch {
		s.span(&batch[i], now)
	}
}

func (s *Store) span(r *span.Record, now time.Time) {
	if known := s.add(r.TraceID, r, (*entry).ownSpans, now); known {
		return
	}
	if !r.Claim.IsZero() && r.Claim.TraceID != r.TraceID && s.add(r.Claim.TraceID, r, (*entry).claims, now) {
		return
	}
	s.foreign.Add(1)
}

// add gives the span to a trace of ours; it returns false if there is none.
func (s *Store) add(
	id tracecontext.TraceID, r *span.Record, in func(*entry) *[]span.Record, now time.Time,
) bool {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.traces[id]
	if e == nil {
		if sh.wasSettled(id) {
			s.late.Add(1)
			return true
		}
		return false
	}
	list := in(e)
	same := func(other span.Record) bool {
		return other.SpanID == r.SpanID && other.Kind == r.Kind && other.TraceID == r.TraceID
	}
	switch {
	case slices.ContainsFunc(*list, same):
		e.redelivered++
		s.redelivered.Add(1)
		return true
	case len(*list) >= s.config.MaxSpans:
		s.truncated.Add(1)
		return true
	}
	*list = append(*list, *r)
	e.touch(now)
	return true
}

// entry returns the open trace, making room for a new one. The shard is locked.
func (s *Store) entry(sh *shard, id tracecontext.TraceID, now time.Time) *entry {
	if e := sh.traces[id]; e != nil {
		return e
	}
	if s.open.Add(1) > int64(s.config.MaxTraces) {
		if oldest := sh.oldest(); oldest != nil {
			s.settle(sh, oldest, ReasonEvicted, now)
			s.evicted.Add(1)
		}
	}
	e := &entry{
		id:          id,
		opened:      now.UnixNano(),
		event:       now.UnixNano(),
		lastAttempt: now.UnixNano(),
		changed:     true,
	}
	sh.traces[id] = e
	sh.push(e, now.Add(s.config.Linger).UnixNano())
	return e
}

// Advance settles what is due by now and returns it, with what was evicted.
func (s *Store) Advance(now time.Time) []*Trace {
	var out []*Trace
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		s.advance(sh, now)
		out = append(out, sh.ready...)
		sh.ready = nil
		sh.mu.Unlock()
	}
	return out
}

func (s *Store) advance(sh *shard, now time.Time) {
	at := now.UnixNano()
	for {
		e, ok := sh.next(at)
		if !ok {
			return
		}
		if reason, settled := s.state(e, at); settled {
			s.settle(sh, e, reason, now)
			continue
		}
		sh.push(e, at+int64(s.config.Linger))
	}
}

// state decides whether a trace has settled.
func (s *Store) state(e *entry, at int64) (Reason, bool) {
	if e.operations > 0 {
		return ReasonTimeout, at-e.event > int64(s.config.OpenLimit)
	}
	quiet := at-e.event >= int64(s.config.Linger)
	switch {
	case quiet && e.partial != "":
		return ReasonPartial, true
	case quiet && s.complete(e):
		return ReasonComplete, true
	case at-e.lastAttempt >= int64(s.config.Settle):
		return ReasonTimeout, true
	default:
		return 0, false
	}
}

// complete caches its answer until the trace changes.
func (s *Store) complete(e *entry) bool {
	if e.changed {
		e.changed, e.whole = false, e.isComplete(&s.hops)
	}
	return e.whole
}

// settle takes the trace out of its shard and gives it back.
func (s *Store) settle(sh *shard, e *entry, reason Reason, now time.Time) {
	delete(sh.traces, e.id)
	e.settled = true
	s.open.Add(-1)
	s.settled.Add(1)
	sh.remember(e.id)
	s.learn(e)
	sh.ready = append(sh.ready, &Trace{
		ID: e.id, Attempts: e.attempts, Spans: e.spans, Claimed: e.claimed, Reason: reason,
		Detail: e.partial, Redelivered: e.redelivered,
		SettleTime: time.Duration(max(0, now.UnixNano()-e.lastAttempt)),
	})
}

// learn remembers which CLIENT spans lead to a SERVER span.
func (s *Store) learn(e *entry) {
	for i := range e.spans {
		child := &e.spans[i]
		if child.Kind != span.KindServer {
			continue
		}
		for j := range e.spans {
			if parent := &e.spans[j]; parent.Kind == span.KindClient &&
				parent.SpanID == child.ParentID {
				if _, known := s.hops.Load(parent.Descriptor); !known {
					s.hops.Store(parent.Descriptor, true)
				}
			}
		}
	}
}

// Due counts the traces that still wait for something.
func (s *Store) Due() int {
	due := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for _, e := range sh.traces {
			if e.operations > 0 || e.partial == "" && !s.complete(e) {
				due++
			}
		}
		sh.mu.Unlock()
	}
	return due
}

// Drain settles everything that is left as interrupted.
func (s *Store) Drain(detail string, now time.Time) []*Trace {
	var out []*Trace
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for _, e := range sh.traces {
			reason := ReasonInterrupted
			if e.operations <= 0 && e.partial == "" && s.complete(e) {
				reason = ReasonComplete
			} else if e.partial == "" {
				e.partial = detail
			}
			s.settle(sh, e, reason, now)
		}
		out = append(out, sh.ready...)
		sh.ready = nil
		sh.mu.Unlock()
	}
	return out
}

// Stats returns the counters as of now.
func (s *Store) Stats() Stats {
	return Stats{
		Open:     int(s.open.Load()),
		Attempts: s.attempts.Load(), Spans: s.spans.Load(), Foreign: s.foreign.Load(),
		Redelivered: s.redelivered.Load(), Late: s.late.Load(), Truncated: s.truncated.Load(),
		Settled: s.settled.Load(), Evicted: s.evicted.Load(),
	}
}
