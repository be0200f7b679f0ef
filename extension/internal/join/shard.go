package join

import (
	"sync"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// shard is one part of the open traces. All fields are under mu.
type shard struct {
	mu     sync.Mutex
	traces map[tracecontext.TraceID]*entry
	ages   list
	checks list
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

// add takes a new entry up, with the time of the first look at it.
func (sh *shard) add(e *entry, check int64) {
	sh.traces[e.id] = e
	sh.ages.push(e)
	e.check = check
	sh.checks.push(e)
}

// remove lets an entry go that has settled.
func (sh *shard) remove(e *entry) {
	delete(sh.traces, e.id)
	sh.ages.remove(e)
	sh.checks.remove(e)
	sh.remember(e.id)
}

// due is the open entry whose look is due by a time; nil if none is.
func (sh *shard) due(at int64) *entry {
	if e := sh.checks.front; e != nil && e.check <= at {
		return e
	}
	return nil
}

// again puts the next look at an entry off.
func (sh *shard) again(e *entry, check int64) {
	e.check = check
	sh.checks.remove(e)
	sh.checks.push(e)
}

// maxRecent is how many settled traces a shard remembers per generation.
const maxRecent = 4096

// remember keeps the id of a settled trace, to tell late spans from foreign ones.
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
}

func (sh *shard) wasSettled(id tracecontext.TraceID) bool {
	_, young := sh.recent[0][id]
	_, old := sh.recent[1][id]
	return young || old
}
