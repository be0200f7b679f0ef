package join

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// shardCount spreads the traces; a power of two. Eviction looks into one shard
// only, so up to shardCount traces more than MaxTraces may be open.
const shardCount = 64

// Store is the bounded join. It is safe for concurrent use.
type Store struct {
	config  Config
	epoch   atomic.Pointer[time.Time] // the first moment that was passed in
	shards  [shardCount]shard
	open    atomic.Int64
	hops    hops
	began   atomic.Int64 // when the first trace came
	roots   roots
	doubt   atomic.Pointer[string]
	lending lending

	spans, foreign, redelivered, late, truncated atomic.Uint64
}

// New returns an empty store. The config must be valid.
func New(config Config) *Store {
	s := &Store{config: config.withDefaults()}
	seed := maphash.MakeSeed()
	for i := range s.shards {
		s.shards[i].traces.seed = seed
		s.shards[i].checks.order = byCheck
	}
	return s
}

// at is a moment in Unix nanoseconds that go on evenly: where the wall clock is set
// meanwhile, what is open must not be too old all at once.
func (s *Store) at(now time.Time) int64 {
	epoch := s.epoch.Load()
	if epoch == nil {
		epoch = s.begin(now)
	}
	return epoch.UnixNano() + int64(now.Sub(*epoch))
}

func (s *Store) begin(now time.Time) *time.Time {
	s.epoch.CompareAndSwap(nil, &now)
	return s.epoch.Load()
}

func (s *Store) shard(id tracecontext.TraceID) *shard { return &s.shards[shardOf(&id)] }

// shardOf goes by an id's last byte. Where only part of an id is random, or it is
// counted up, that is at its end.
// https://www.w3.org/TR/trace-context-2/#randomness-of-trace-id
func shardOf(id *tracecontext.TraceID) int { return int(id[len(id)-1]) % shardCount }

// lock returns the shard of a trace, locked.
func (s *Store) lock(id tracecontext.TraceID) *shard {
	sh := s.shard(id)
	sh.mu.Lock()
	return sh
}

// Open announces a trace before its first attempt is sent, so that spans that
// overtake the attempt's record find it. Several operations may share a trace.
func (s *Store) Open(id tracecontext.TraceID, now time.Time) {
	sh := s.lock(id)
	defer sh.mu.Unlock()
	if g := sh.given.get(id); g != nil {
		g.operations++
		return
	}
	e := s.entry(sh, id, now)
	e.operations++
	e.concluded = false
}

// Close says that an operation of the trace has ended.
func (s *Store) Close(id tracecontext.TraceID, now time.Time) {
	sh := s.lock(id)
	defer sh.mu.Unlock()
	if g := sh.given.get(id); g != nil {
		sh.given.end(id, g)
		return
	}
	if e := sh.traces.get(id); e != nil {
		e.operations--
		e.lastAttempt = s.at(now) // a source is asked from now on
		e.touch(e.lastAttempt)
	}
}

// Attempt records a round trip that has ended. One that comes after its trace
// has settled, behind the end of all operations, is partial: its spans may have
// come and gone.
func (s *Store) Attempt(a span.Attempt, now time.Time) {
	sh := s.lock(a.TraceID)
	defer sh.mu.Unlock()
	sh.attempts++
	if g := sh.given.get(a.TraceID); g != nil {
		sh.giveBack(a, g.reason, g.detail)
		return
	}
	if sh.traces.get(a.TraceID) == nil && sh.recent.has(a.TraceID) {
		sh.giveBack(a, ReasonPartial, "its trace had settled before it ended")
		return
	}
	s.record(sh, s.entry(sh, a.TraceID, now), a, now)
}

// Finish is Attempt and Close in one.
func (s *Store) Finish(a span.Attempt, now time.Time) {
	sh := s.lock(a.TraceID)
	defer sh.mu.Unlock()
	sh.attempts++
	if g := sh.given.get(a.TraceID); g != nil {
		sh.giveBack(a, g.reason, g.detail)
		sh.given.end(a.TraceID, g)
		return
	}
	e := s.record(sh, s.entry(sh, a.TraceID, now), a, now)
	e.operations--
}

// Whole records a trace of one attempt that nothing will be heard of: it has
// settled by itself, as partial.
func (s *Store) Whole(a span.Attempt, detail string) {
	sh := s.lock(a.TraceID)
	defer sh.mu.Unlock()
	sh.attempts++
	sh.giveBack(a, ReasonPartial, detail)
}

// record adds an attempt to its trace, which may be another one then.
func (s *Store) record(sh *shard, e *entry, a span.Attempt, now time.Time) *entry {
	if len(e.attempts) >= s.config.MaxSpans {
		e = s.renew(sh, e, now)
	}
	if e.attempts == nil {
		e.attempts = e.first[:0]
	}
	e.attempts = append(e.attempts, a)
	e.lastAttempt = s.at(now)
	e.hopeful = e.hopeful || !a.Sampled && !a.Excluded
	e.concluded = false
	e.touch(e.lastAttempt)
	return e
}

// renew settles a trace that has too many attempts, and goes on with a new one.
func (s *Store) renew(sh *shard, e *entry, now time.Time) *entry {
	operations := e.operations
	e.operations = 0
	s.evict(sh, e, now)
	e = s.entry(sh, e.id, now)
	e.operations, e.renewed = operations, true
	return e
}

// MarkPartial says that the source cannot tell about this trace: what is not
// decided by the spans that came is undecided, with the detail as its reason. It returns
// false for a trace that is not open, or of which that was said before.
func (s *Store) MarkPartial(id tracecontext.TraceID, detail string, now time.Time) bool {
	sh := s.lock(id)
	defer sh.mu.Unlock()
	e := sh.traces.get(id)
	if e == nil {
		return false
	}
	first := e.seldom().partial == ""
	e.odd().partial = detail
	e.touch(s.at(now))
	return first
}

// Conclude says that the source has no more spans of what this trace was at a moment: it
// settles without waiting for more, unless an operation has ended since, or is under way.
func (s *Store) Conclude(id tracecontext.TraceID, asOf time.Time) {
	sh := s.lock(id)
	defer sh.mu.Unlock()
	e := sh.traces.get(id)
	if e != nil && e.operations <= 0 && e.lastAttempt <= s.at(asOf) {
		e.concluded = true
	}
}

// Doubt says that nothing can be concluded from spans that are absent, for any
// trace, until it is taken back by an empty detail: what would time out is
// partial instead.
func (s *Store) Doubt(detail string) {
	if detail == "" {
		s.doubt.Store(nil)
		return
	}
	s.doubt.Store(&detail)
}

// Owes reports whether a SERVER span is waited for, for any attempt, and none of
// the operations is under way. A trace that owes nothing is concluded in the same step, as
// another operation of it may end behind this one.
func (s *Store) Owes(id tracecontext.TraceID) bool {
	sh := s.lock(id)
	defer sh.mu.Unlock()
	e := sh.traces.get(id)
	if e == nil || e.operations > 0 {
		return false
	}
	owes := anyOf(e.attempts, func(a *span.Attempt) bool { return awaits(a) > 0 })
	e.concluded = e.concluded || !owes
	return owes
}

// Holds reports whether a trace is open.
func (s *Store) Holds(id tracecontext.TraceID) bool {
	sh := s.lock(id)
	defer sh.mu.Unlock()
	return sh.traces.get(id) != nil
}

// entry returns the open trace, making room for a new one. The shard is locked.
func (s *Store) entry(sh *shard, id tracecontext.TraceID, now time.Time) *entry {
	if e := sh.traces.get(id); e != nil {
		return e
	}
	if s.open.Add(1) > int64(s.config.MaxTraces) {
		if oldest := sh.ages.front; oldest != nil {
			s.evict(sh, oldest, now)
		}
	}
	at := s.at(now)
	if s.began.Load() == 0 {
		s.began.CompareAndSwap(0, at)
	}
	e := sh.spare.take()
	e.id, e.event, e.lastAttempt, e.changed = id, at, at, true
	sh.add(e, at+int64(s.config.Linger))
	return e
}
