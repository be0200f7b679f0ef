package join

import (
	"sync"

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
	given  map[tracecontext.TraceID]*given
}

// given is a trace that was given up with operations under way. Their further
// attempts cannot be judged: spans may have come and gone.
type given struct {
	operations int32
	reason     Reason
	detail     string
}

// closeGiven says that an operation of a given trace has ended.
func (sh *shard) closeGiven(id tracecontext.TraceID, g *given) {
	if g.operations--; g.operations <= 0 {
		delete(sh.given, id)
	}
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

// remember keeps the id of a settled trace, to tell late spans from foreign
// ones, and lets go of the queues' settled entries: a trace that stays open for
// long must not hold those that came after it.
func (sh *shard) remember(id tracecontext.TraceID) {
	if sh.recent[0] == nil {
		sh.recent[0] = make(map[tracecontext.TraceID]struct{})
		sh.recent[1] = make(map[tracecontext.TraceID]struct{})
	}
	if len(sh.recent[0]) >= maxRecent {
		sh.recent[0], sh.recent[1] = sh.recent[1], sh.recent[0]
		clear(sh.recent[0])
	}
	sh.recent[0][id] = struct{}{}
	for front := sh.ages.front(); front != nil && front.settled; front = sh.ages.front() {
		sh.ages.pop()
	}
	for _, q := range []*queue{&sh.ages, &sh.checks} {
		if q.len() > 2*len(sh.traces)+queueSlack {
			q.compact()
		}
	}
}

func (sh *shard) wasSettled(id tracecontext.TraceID) bool {
	_, young := sh.recent[0][id]
	_, old := sh.recent[1][id]
	return young || old
}

// queueSlack is how much of a queue is not worth tidying.
const queueSlack = 64

// queue is a first-in first-out queue of entries.
type queue struct {
	items []*entry
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

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
	if q.head > queueSlack && q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
}

// compact takes the settled entries out.
func (q *queue) compact() {
	n := 0
	for _, e := range q.items[q.head:] {
		if !e.settled {
			q.items[n] = e
			n++
		}
	}
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
}
