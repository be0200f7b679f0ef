package join

import "github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"

// given is a trace that was given up with operations under way. Their further
// attempts cannot be judged: spans may have come and gone.
type given struct {
	operations int32
	reason     Reason
	detail     string
}

// maxGiven is how many given traces a shard remembers per generation. A load has far fewer
// operations under way. A Collector does not hear of the end of some, and must not keep
// their traces for ever.
const maxGiven = 4096

// givens are the traces that were given up lately: the last maxGiven at least.
type givens struct {
	young, old map[tracecontext.TraceID]*given
}

func (gs *givens) get(id tracecontext.TraceID) *given {
	if g := gs.young[id]; g != nil {
		return g
	}
	return gs.old[id]
}

func (gs *givens) add(id tracecontext.TraceID, g *given) {
	if gs.young == nil || len(gs.young) >= maxGiven {
		gs.young, gs.old = make(map[tracecontext.TraceID]*given), gs.young
	}
	gs.young[id] = g
}

// end says that an operation of a given trace has ended.
func (gs *givens) end(id tracecontext.TraceID, g *given) {
	if g.operations--; g.operations <= 0 {
		delete(gs.young, id)
		delete(gs.old, id)
	}
}
