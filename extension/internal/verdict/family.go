package verdict

import (
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// family is a trace's spans with their relations.
type family struct {
	trace    *join.Trace
	services []*span.Record // without the load's own spans
	byID     map[tracecontext.SpanID]*span.Record
	attempts map[tracecontext.SpanID]*span.Attempt
	own      map[tracecontext.SpanID]bool // operations of the load
}

func newFamily(t *join.Trace) *family {
	f := &family{
		trace:    t,
		byID:     make(map[tracecontext.SpanID]*span.Record, len(t.Spans)),
		attempts: make(map[tracecontext.SpanID]*span.Attempt, len(t.Attempts)),
		own:      make(map[tracecontext.SpanID]bool, 1),
	}
	for i := range t.Attempts {
		f.attempts[t.Attempts[i].SpanID] = &t.Attempts[i]
		f.own[t.Attempts[i].Operation] = true
	}
	for i := range t.Spans {
		r := &t.Spans[i]
		if f.isOwn(r) {
			f.own[r.SpanID] = true
			continue
		}
		f.services = append(f.services, r)
		if known := f.byID[r.SpanID]; known == nil || r.Kind == span.KindServer {
			f.byID[r.SpanID] = r
		}
	}
	return f
}

// isOwn tells a span that the load itself exported: it has an attempt's or an
// operation's id. A SERVER span with the id of its client span is the
// service's, as Zipkin shares ids between the two.
func (f *family) isOwn(r *span.Record) bool {
	return r.Kind != span.KindServer && (f.attempts[r.SpanID] != nil || f.own[r.SpanID])
}

func handles(
	r *span.Record,
) bool {
	return r.Kind == span.KindServer || r.Kind == span.KindConsumer
}

// claims reports whether the span's User-Agent names the attempt.
func claims(r *span.Record, a *span.Attempt) bool {
	return r.Claim.SpanID == a.SpanID && r.Claim.TraceID == a.TraceID
}

// claimsOther reports whether the span names another attempt of this trace.
func (f *family) claimsOther(r *span.Record, a *span.Attempt) bool {
	return !r.Claim.IsZero() && r.Claim.TraceID == a.TraceID && r.Claim.SpanID != a.SpanID &&
		f.attempts[r.Claim.SpanID] != nil
}

// shares reports whether a SERVER span has its client span's own id.
func shares(r *span.Record, a *span.Attempt) bool {
	return r.Kind == span.KindServer && r.SpanID == a.SpanID
}

// children are the spans directly below the attempt's client span.
func (f *family) children(a *span.Attempt) []*span.Record {
	var out []*span.Record
	for _, r := range f.services {
		if (r.ParentID == a.SpanID || shares(r, a)) && !f.claimsOther(r, a) {
			out = append(out, r)
		}
	}
	return out
}

// maxDepth ends the walk up a chain whose ids form a loop.
const maxDepth = 256

// descent finds the attempt that a span descends from, and how many spans are
// between them.
func (f *family) descent(r *span.Record) (a *span.Attempt, via int) {
	for ; via < maxDepth; via++ {
		if a = f.attempts[r.SpanID]; a != nil && r.Kind == span.KindServer {
			return a, via // shared ids
		}
		if a = f.attempts[r.ParentID]; a != nil {
			return a, via
		}
		parent := f.byID[r.ParentID]
		if parent == nil || parent == r {
			return nil, via
		}
		r = parent
	}
	return nil, via
}

// lost are the ids of parents that never arrived, of any service's span.
func (f *family) lost() []tracecontext.SpanID {
	var out []tracecontext.SpanID
	for _, r := range f.services {
		if f.isOrphan(r) && !slices.Contains(out, r.ParentID) {
			out = append(out, r.ParentID)
		}
	}
	return out
}

func (f *family) isOrphan(r *span.Record) bool {
	return !r.ParentID.IsZero() && f.byID[r.ParentID] == nil && f.attempts[r.ParentID] == nil &&
		!f.own[r.ParentID] && f.attempts[r.SpanID] == nil
}

func serviceOf(r *span.Record) string {
	if r.Descriptor.Service == "" {
		return Unnamed
	}
	return r.Descriptor.Service
}

// hops counts the edges between services and says which were connected.
func (f *family) hops() ([]Edge, []Presence) {
	edges := make(map[[2]string]*Edge)
	connected := make(map[string]bool)
	for _, r := range f.services {
		service := serviceOf(r)
		root, _ := f.descent(r)
		connected[service] = connected[service] || root != nil
		if !handles(r) {
			continue
		}
		from, orphan := f.caller(r)
		if from == service {
			continue // an inner SERVER span of one service is no hop
		}
		key := [2]string{from, service}
		if edges[key] == nil {
			edges[key] = &Edge{From: from, To: service}
		}
		edges[key].Spans++
		if orphan {
			edges[key].Orphans++
		}
	}
	for i := range f.trace.Claimed {
		service := serviceOf(&f.trace.Claimed[i])
		connected[service] = connected[service] || false
	}
	return sortEdges(edges), sortPresence(connected)
}

func (f *family) caller(r *span.Record) (from string, orphan bool) {
	if f.attempts[r.ParentID] != nil || f.attempts[r.SpanID] != nil || f.own[r.ParentID] {
		return Load, false
	}
	if parent := f.byID[r.ParentID]; parent != nil {
		return serviceOf(parent), false
	}
	return Unknown, true
}

func sortEdges(edges map[[2]string]*Edge) []Edge {
	out := make([]Edge, 0, len(edges))
	for _, e := range edges {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Edge) int {
		if c := strings.Compare(a.From, b.From); c != 0 {
			return c
		}
		return strings.Compare(a.To, b.To)
	})
	return out
}

func sortPresence(connected map[string]bool) []Presence {
	out := make([]Presence, 0, len(connected))
	for service, is := range connected {
		out = append(out, Presence{service, is})
	}
	slices.SortFunc(out, func(a, b Presence) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// expect names the expected services that did not appear below an attempt. A
// trace without a delivered attempt owes nothing.
func (f *family) expect(services []string, out Outcome) []string {
	delivered := slices.ContainsFunc(
		out.Results,
		func(r Result) bool { return r.Verdict.Expected() },
	)
	if !delivered {
		return nil
	}
	var missing []string
	for _, service := range services {
		if !slices.Contains(out.Services, Presence{service, true}) {
			missing = append(missing, service)
		}
	}
	return missing
}

// flags follows the sampled flag and the tracestate through the SERVER spans
// that carry them.
func (f *family) flags() (flagBreaks, stateBreaks uint64) {
	for _, r := range f.services {
		a, _ := f.descent(r)
		if a == nil || r.Kind != span.KindServer {
			continue
		}
		if a.Sampled && r.Flags&span.FlagRemoteKnown != 0 && r.Flags&span.FlagSampled == 0 {
			flagBreaks++
		}
		if a.TraceState != "" && !strings.Contains(r.TraceState, a.TraceState) {
			stateBreaks++
		}
	}
	return flagBreaks, stateBreaks
}
