package join

import (
	"sync"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// shard is one part of the open traces. All fields are under mu.
type shard struct {
	mu     sync.Mutex
	traces table
	ages   list
	checks list
	ready  []*Trace
	alone  []single // settled as well
	spare  spares[entry]
	recent recent
	given  givens
	gone   int64 // open traces that have settled since Store.open was told

	attempts, settled, evicted uint64

	served   lately[serves]           // that the roots know of
	claiming lately[*span.Descriptor] // of services known to carry the User-Agent
}

// serves is a kind of request with a kind of SERVER span that one had.
type serves struct {
	labels *span.Labels
	server *span.Descriptor
}

// single is an attempt that settled by itself.
type single struct {
	attempt span.Attempt
	reason  Reason
	detail  string
}

// giveBack settles an attempt by itself.
func (sh *shard) giveBack(a span.Attempt, reason Reason, detail string) {
	sh.settled++
	sh.alone = append(sh.alone, single{a, reason, detail})
}

// add takes a new entry up, with the time of the first look at it.
func (sh *shard) add(e *entry, check int64) {
	sh.traces.add(e)
	sh.ages.push(e)
	e.check = check
	sh.checks.push(e)
}

// remove lets an entry go that has settled.
func (sh *shard) remove(e *entry) {
	sh.traces.remove(e.id)
	sh.ages.remove(e)
	sh.checks.remove(e)
	sh.recent.add(e.id)
}

// due is the open entry whose look is due by a time; nil if none is.
func (sh *shard) due(at int64) *entry {
	if e := sh.checks.front; e != nil && e.check <= at {
		return e
	}
	return nil
}

// keepReady is how many settled traces a shard keeps room for.
const keepReady = 1024

// takeReady appends the traces that have settled, made of blanks where that is
// still to be done, and keeps a little room for those to come.
func (sh *shard) takeReady(out []*Trace, blanks *spares[Trace]) []*Trace {
	out = append(out, sh.ready...)
	for i := range sh.alone {
		single := &sh.alone[i]
		e, t := sh.spare.take(), blanks.take()
		e.id, e.attempts = single.attempt.TraceID, append(e.first[:0], single.attempt)
		*t = Trace{
			ID: e.id, Attempts: e.attempts, Reason: single.reason, Detail: single.detail, home: e,
		}
		out = append(out, t)
	}
	sh.ready, sh.alone = emptied(sh.ready), emptied(sh.alone)
	return out
}

func emptied[T any](list []T) []T {
	if cap(list) > keepReady {
		return nil
	}
	clear(list)
	return list[:0]
}

// again puts the next look at an entry off.
func (sh *shard) again(e *entry, check int64) {
	e.check = check
	sh.checks.remove(e)
	sh.checks.push(e)
}
