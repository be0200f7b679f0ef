package join

import "github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"

// maxRecent is how many settled traces a shard remembers per generation.
const maxRecent = 4096

// recent remembers the ids of traces that settled lately, to tell late spans
// from foreign ones: the last maxRecent at least. Every trace settles and few are
// asked for, so ids are written down as they come, and indexed when somebody asks.
type recent struct {
	young, old generation
}

type generation struct {
	ids     []tracecontext.TraceID
	indexed int // of ids
	index   map[tracecontext.TraceID]struct{}
}

func (r *recent) add(id tracecontext.TraceID) {
	if len(r.young.ids) >= maxRecent {
		r.young, r.old = r.old, r.young
		r.young.forget()
	}
	r.young.ids = append(r.young.ids, id)
}

func (r *recent) has(id tracecontext.TraceID) bool { return r.young.has(id) || r.old.has(id) }

func (g *generation) has(id tracecontext.TraceID) bool {
	if g.index == nil && len(g.ids) > 0 {
		g.index = make(map[tracecontext.TraceID]struct{})
	}
	for ; g.indexed < len(g.ids); g.indexed++ {
		g.index[g.ids[g.indexed]] = struct{}{}
	}
	_, known := g.index[id]
	return known
}

func (g *generation) forget() {
	g.ids, g.indexed = g.ids[:0], 0
	clear(g.index)
}
