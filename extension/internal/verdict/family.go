package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// family is a trace's spans with their relations. Its maps serve one trace after
// the other, as making them is most of the work on an ordinary trace.
type family struct {
	trace     *join.Trace
	services  []*span.Record // without the load's own spans, in order of start
	byID      map[tracecontext.SpanID]*span.Record
	attempts  map[tracecontext.SpanID]*span.Attempt
	own       map[tracecontext.SpanID]bool                // spans of the load, attempts excepted
	parents   map[tracecontext.SpanID]tracecontext.SpanID // of all spans
	edges     map[[2]string]Edge
	connected map[string]bool                // by service
	reports   map[string]bool                // services that report the sampled flag
	needy     []*span.Attempt                // were due, and have no SERVER span
	strays    map[*span.Attempt]*span.Record // what some of them are given instead
	lent      map[*span.Record]bool          // the strays, by span
	lost      int                            // parents that never arrived
}

func newFamily() *family {
	return &family{
		byID:      make(map[tracecontext.SpanID]*span.Record),
		attempts:  make(map[tracecontext.SpanID]*span.Attempt),
		own:       make(map[tracecontext.SpanID]bool),
		parents:   make(map[tracecontext.SpanID]tracecontext.SpanID),
		edges:     make(map[[2]string]Edge),
		connected: make(map[string]bool),
		reports:   make(map[string]bool),
	}
}

// gather relates the spans of a trace.
func (f *family) gather(t *join.Trace) {
	f.trace = t
	if len(t.Spans)+len(t.Claimed) > 0 { // else nothing is related
		f.relate()
	}
	f.settleStrays()
}

// maxKept bounds the spans and attempts of a trace whose maps serve the next one:
// a map never shrinks.
const maxKept = 100

// forget makes the family ready for the next trace.
func (f *family) forget() {
	if len(f.trace.Spans)+len(f.trace.Attempts)+len(f.trace.Claimed) > maxKept {
		*f = *newFamily()
		return
	}
	clear(f.services)
	clear(f.byID)
	clear(f.attempts)
	clear(f.own)
	clear(f.parents)
	clear(f.edges)
	clear(f.connected)
	clear(f.reports)
	f.trace, f.services, f.needy, f.strays, f.lent, f.lost = nil, f.services[:0], nil, nil, nil, 0
}

func (f *family) relate() {
	t := f.trace
	for i := range t.Attempts {
		f.attempts[t.Attempts[i].SpanID] = &t.Attempts[i]
		if id := t.Attempts[i].Operation; !id.IsZero() {
			f.own[id] = true
		}
	}
	f.disown()
	for i := range t.Spans {
		r := &t.Spans[i]
		if f.isOwn(r) {
			continue
		}
		f.services = append(f.services, r)
	}
	slices.SortStableFunc(f.services, compare)
	for _, r := range f.services {
		if known := f.byID[r.SpanID]; known == nil || r.Kind == span.KindServer {
			f.byID[r.SpanID] = r
		}
	}
}

// compare orders spans. Services' clocks decide nothing: the order only makes
// the choice between equals independent of the order of arrival.
func compare(a, b *span.Record) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), slices.Compare(a.SpanID[:], b.SpanID[:]),
		cmp.Compare(a.Kind, b.Kind), slices.Compare(a.ParentID[:], b.ParentID[:]),
		slices.Compare(a.TraceID[:], b.TraceID[:]),
		strings.Compare(a.Descriptor.Service, b.Descriptor.Service),
		cmp.Compare(a.End, b.End), cmp.Compare(a.Status, b.Status))
}

// disown marks the load's own spans, and what is above them: application spans,
// and the spans of a trace that the load was told to continue.
func (f *family) disown() {
	var queue []tracecontext.SpanID
	for i := range f.trace.Spans {
		r := &f.trace.Spans[i]
		f.parents[r.SpanID] = r.ParentID
		if r.Descriptor.Scope == span.LoadScope && f.attempts[r.SpanID] == nil {
			f.own[r.SpanID] = true
		}
	}
	for id := range f.own {
		queue = append(queue, id)
	}
	for len(queue) > 0 {
		parent, known := f.parents[queue[0]]
		queue = queue[1:]
		if known && !parent.IsZero() && !f.own[parent] && f.attempts[parent] == nil {
			f.own[parent] = true
			queue = append(queue, parent)
		}
	}
}

// isOwn tells a span that the load itself exported, or that is above it. A
// SERVER span with the id of its client span is the service's, as Zipkin shares
// ids between the two.
func (f *family) isOwn(r *span.Record) bool {
	return f.own[r.SpanID] || r.Kind != span.KindServer && f.attempts[r.SpanID] != nil
}

// misplaced reports whether a span below an attempt says that it belongs to
// another one: of this trace, or of another trace.
func (f *family) misplaced(r *span.Record, a *span.Attempt) bool {
	return r.Misplaced() ||
		!r.Claim.IsZero() && r.Claim.SpanID != a.SpanID && f.attempts[r.Claim.SpanID] != nil
}

// shares reports whether a SERVER span has its client span's own id.
func shares(r *span.Record, a *span.Attempt) bool {
	return r.Kind == span.KindServer && r.SpanID == a.SpanID
}

// children are the spans directly below the attempt's client span. Where a
// SERVER span shares the attempt's id, what is below that id is the service's.
func (f *family) children(a *span.Attempt) []*span.Record {
	var out, shared []*span.Record
	for _, r := range f.services {
		switch {
		case f.misplaced(r, a) || f.lent[r]:
		case shares(r, a):
			shared = append(shared, r)
		case r.ParentID == a.SpanID:
			out = append(out, r)
		}
	}
	if shared != nil {
		return shared
	}
	return out
}

// servers are the SERVER spans directly below the attempt.
func (f *family) servers(a *span.Attempt) []*span.Record {
	return slices.DeleteFunc(f.children(a), func(r *span.Record) bool {
		return r.Kind != span.KindServer
	})
}

// maxDepth ends the walk up a chain whose ids form a loop.
const maxDepth = 256

// top is the first span of a span's chain, and how many spans are between.
func (f *family) top(r *span.Record) (first *span.Record, via int) {
	for ; via < maxDepth; via++ {
		parent := f.byID[r.ParentID]
		shared := r.Kind == span.KindServer && f.attempts[r.SpanID] != nil
		if shared || f.attempts[r.ParentID] != nil || parent == nil || parent == r {
			return r, via
		}
		r = parent
	}
	return r, via
}

// descent finds the attempt that a span descends from, nil for none, and how
// many spans are between them.
func (f *family) descent(r *span.Record) (a *span.Attempt, via int) {
	first, via := f.top(r)
	if via == maxDepth {
		return nil, via
	}
	if a = f.attempts[first.SpanID]; a == nil || first.Kind != span.KindServer {
		a = f.attempts[first.ParentID]
	}
	if a == nil || f.misplaced(first, a) || f.lent[first] {
		return nil, via
	}
	return a, via
}

// nearest is the SERVER span, or the CONSUMER span if kind says so, that
// descends from the attempt with the fewest spans between.
func (f *family) nearest(a *span.Attempt, kind span.Kind) (found *span.Record, via int) {
	for _, r := range f.services {
		if r.Kind != kind {
			continue
		}
		if ancestor, n := f.descent(r); ancestor == a && (found == nil || n < via) {
			found, via = r, n
		}
	}
	return found, via
}

func (f *family) isOrphan(r *span.Record) bool {
	return !r.ParentID.IsZero() && f.byID[r.ParentID] == nil && f.attempts[r.ParentID] == nil &&
		!f.own[r.ParentID] && f.attempts[r.SpanID] == nil
}

// countLost counts the parents that never arrived, of any service's span, but
// for spans that are known to belong to an attempt.
func (f *family) countLost() int {
	var lost map[tracecontext.SpanID]bool
	for _, r := range f.services {
		tied := f.lent[r] || r.Kind == span.KindServer && f.attempts[r.Claim.SpanID] != nil
		if f.isOrphan(r) && !tied {
			if lost == nil {
				lost = make(map[tracecontext.SpanID]bool)
			}
			lost[r.ParentID] = true
		}
	}
	return len(lost)
}

// early reports whether spans may still have been on their way.
func (f *family) early() bool {
	return f.trace.Truncated > 0 ||
		f.trace.Reason != join.ReasonComplete && f.trace.Reason != join.ReasonTimeout
}
