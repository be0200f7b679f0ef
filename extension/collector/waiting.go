package collector

import (
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// waiting holds the spans that came before an attempt of their trace, first in,
// first out, by the trace that they wait for.
type waiting struct {
	traces map[tracecontext.TraceID]*guests
	order  []*guests
	head   int
	spans  int
}

// guests are the spans that wait for one trace: its own, and those of other
// traces that claim an attempt of it.
type guests struct {
	id    tracecontext.TraceID
	since time.Time // when the first one came
	spans []span.Record
	gone  bool
}

func newWaiting() *waiting {
	return &waiting{traces: make(map[tracecontext.TraceID]*guests)}
}

func (w *waiting) add(id tracecontext.TraceID, r *span.Record, now time.Time) {
	g := w.traces[id]
	if g == nil {
		g = &guests{id: id, since: now}
		w.traces[id] = g
		w.order = append(w.order, g)
	}
	g.spans = append(g.spans, *r)
	w.spans++
}

// take gives up the spans that wait for a trace.
func (w *waiting) take(id tracecontext.TraceID) []span.Record {
	g := w.traces[id]
	if g == nil {
		return nil
	}
	w.remove(g)
	return g.spans
}

func (w *waiting) remove(g *guests) {
	g.gone = true
	delete(w.traces, g.id)
	w.spans -= len(g.spans)
}

// before takes the oldest guests if they came before a time.
func (w *waiting) before(at time.Time) *guests {
	for w.head < len(w.order) {
		g := w.order[w.head]
		if !g.gone && !g.since.Before(at) {
			return nil
		}
		w.order[w.head] = nil
		w.head++
		if w.head > 1024 && w.head*2 > len(w.order) {
			w.order, w.head = append(w.order[:0], w.order[w.head:]...), 0
		}
		if !g.gone {
			w.remove(g)
			return g
		}
	}
	w.order, w.head = w.order[:0], 0
	return nil
}
