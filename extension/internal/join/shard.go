package join

import (
	"slices"
	"sync"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// shard is one part of the open traces. All fields are under mu.
type shard struct {
	mu     sync.Mutex
	traces map[tracecontext.TraceID]*entry
	checks queue // by the time of the next look; every look is one linger later
	ages   queue // by age, for eviction
	ready  []*Trace
	recent [2]map[tracecontext.TraceID]struct{} // settled lately, two generations
}

// entry is one open trace. Times are Unix nanoseconds.
type entry struct {
	id          tracecontext.TraceID
	attempts    []span.Attempt
	spans       []span.Record
	claimed     []span.Record
	partial     string
	opened      int64
	event       int64 // of the last change
	lastAttempt int64
	check       int64
	operations  int32
	redelivered int
	changed     bool // since completeness was last computed
	whole       bool
	settled     bool
}

// ownSpans and claims are the lists that a span can be added to.
func (e *entry) ownSpans() *[]span.Record { return &e.spans }

func (e *entry) claims() *[]span.Record { return &e.claimed }

func (e *entry) touch(now time.Time) {
	e.event = now.UnixNano()
	e.changed = true
}

// isComplete reports whether everything due has arrived.
func (e *entry) isComplete(hops interface{ Load(any) (any, bool) }) bool {
	for i := range e.attempts {
		if a := &e.attempts[i]; IsDue(a) && !e.served(a) {
			return false
		}
	}
	for i := range e.spans {
		r := &e.spans[i]
		switch r.Kind {
		case span.KindServer, span.KindConsumer:
			if !r.ParentID.IsZero() && !e.has(r.ParentID) {
				return false
			}
		case span.KindClient:
			if _, leads := hops.Load(
				r.Descriptor,
			); leads && !e.isAttempt(r.SpanID) &&
				!e.hasChild(r.SpanID) {
				return false
			}
		default:
		}
	}
	return true
}

// IsDue reports whether a SERVER span has to come for the attempt: it was
// sampled and answered, and no toxic answered in the service's place.
func IsDue(a *span.Attempt) bool {
	return a.Sampled && !a.Excluded && a.Outcome == span.OutcomeAnswered && !Aborted(a)
}

// Aborted reports whether a toxic says that the service never saw the attempt.
func Aborted(a *span.Attempt) bool {
	return a.Marks != nil &&
		slices.ContainsFunc(a.Marks.List, func(m span.Mark) bool { return m.Mode == "abort" })
}

func (e *entry) served(a *span.Attempt) bool {
	claims := func(r span.Record) bool { return r.Claim.SpanID == a.SpanID && r.Claim.TraceID == a.TraceID }
	return slices.ContainsFunc(e.claimed, claims) ||
		slices.ContainsFunc(e.spans, func(r span.Record) bool {
			return r.ParentID == a.SpanID && r.Kind != span.KindClient ||
				r.Kind == span.KindServer && (r.SpanID == a.SpanID || claims(r))
		})
}

func (e *entry) isAttempt(id tracecontext.SpanID) bool {
	return slices.ContainsFunc(e.attempts, func(a span.Attempt) bool { return a.SpanID == id })
}

func (e *entry) has(id tracecontext.SpanID) bool {
	return slices.ContainsFunc(
		e.attempts,
		func(a span.Attempt) bool { return a.SpanID == id || a.Operation == id },
	) ||
		slices.ContainsFunc(e.spans, func(r span.Record) bool { return r.SpanID == id })
}

func (e *entry) hasChild(id tracecontext.SpanID) bool {
	return slices.ContainsFunc(e.spans, func(r span.Record) bool {
		return r.ParentID == id && r.Kind == span.KindServer
	})
}

// push queues the next look at the entry, and its age when it is new.
func (sh *shard) push(e *entry, check int64) {
	if e.check == 0 {
		sh.ages.push(e)
	}
	e.check = check
	sh.checks.push(e)
}

// next takes an open entry whose look is due.
func (sh *shard) next(at int64) (*entry, bool) {
	for {
		e := sh.checks.front()
		switch {
		case e == nil || !e.settled && e.check > at:
			return nil, false
		case e.settled:
			sh.checks.pop()
		default:
			sh.checks.pop()
			return e, true
		}
	}
}

// oldest takes the entry that has been open longest.
func (sh *shard) oldest() *entry {
	for {
		e := sh.ages.front()
		if e == nil {
			return nil
		}
		sh.ages.pop()
		if !e.settled {
			return e
		}
	}
}

// maxRecent is how many settled traces a shard remembers per generation.
const maxRecent = 4096

// remember keeps the id of a settled trace, to tell late spans from foreign ones.
func (sh *shard) remember(id tracecontext.TraceID) {
	if sh.recent[0] == nil || len(sh.recent[0]) >= maxRecent {
		sh.recent[1] = sh.recent[0]
		sh.recent[0] = make(map[tracecontext.TraceID]struct{})
	}
	sh.recent[0][id] = struct{}{}
	for front := sh.ages.front(); front != nil && front.settled; front = sh.ages.front() {
		sh.ages.pop()
	}
}

func (sh *shard) wasSettled(id tracecontext.TraceID) bool {
	_, young := sh.recent[0][id]
	_, old := sh.recent[1][id]
	return young || old
}

// queue is a first-in first-out queue of entries.
type queue struct {
	items []*entry
	head  int
}

func (q *queue) push(e *entry) { q.items = append(q.items, e) }

func (q *queue) front() *entry {
	if q.head == len(q.items) {
		return nil
	}
	return q.items[q.head]
}

func (q *queue) pop() {
	q.items[q.head] = nil
	q.head++
	if q.head > 64 && q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
}
