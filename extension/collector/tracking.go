package collector

import (
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// tracking is what the connector knows of one open trace of the load: which of
// the load's own spans have ended, and which are still to come. The load
// exports a span when it has ended, the attempts before their operation and
// the operation before the application span around it.
type tracking struct {
	due   []tracecontext.SpanID // parents of what came
	ended []tracecontext.SpanID // operations and application spans that came
	seen  []tracecontext.SpanID // attempts
}

// expect notes that a parent has to come; false when it has, or is known to.
func (t *tracking) expect(id tracecontext.SpanID) bool {
	if id.IsZero() || slices.Contains(t.due, id) || slices.Contains(t.ended, id) {
		return false
	}
	t.due = append(t.due, id)
	return true
}

// end notes that a span of the load's own came; true when it was waited for.
func (t *tracking) end(id tracecontext.SpanID) bool {
	if slices.Contains(t.ended, id) {
		return false
	}
	t.ended = append(t.ended, id)
	i := slices.Index(t.due, id)
	if i < 0 {
		return false
	}
	t.due = slices.Delete(t.due, i, i+1)
	return true
}

func (t *tracking) has(attempt tracecontext.SpanID) bool { return slices.Contains(t.seen, attempt) }

// attemptID names an attempt across traces.
type attemptID struct {
	trace tracecontext.TraceID
	span  tracecontext.SpanID
}

// maxRecent is how many settled attempts are remembered per generation.
const maxRecent = 200_000

// recent remembers settled attempts and traces, in two generations, to tell a
// batch that was delivered twice from a new attempt. The zero value is ready.
type recent struct{ young, old map[attemptID]struct{} }

func (r *recent) add(id attemptID) {
	if r.young == nil || len(r.young) >= maxRecent {
		r.young, r.old = make(map[attemptID]struct{}), r.young
	}
	r.young[id] = struct{}{}
}

func (r *recent) has(id attemptID) bool {
	_, young := r.young[id]
	_, old := r.old[id]
	return young || old
}
