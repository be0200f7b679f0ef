package verdict

import (
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func serviceOf(r *span.Record) string {
	if r.Descriptor.Service == "" {
		return Unnamed
	}
	return r.Descriptor.Service
}

// hops follows every SERVER and CONSUMER span to its caller. A span of another
// trace that claims an attempt is an orphan of this one. What is not connected
// proves nothing in a trace that settled early: its parents may be on their way,
// or its attempt still under way.
func (f *family) hops(results []Result) ([]Edge, []Presence) {
	if len(f.services)+len(f.trace.Claimed) == 0 {
		return []Edge{}, []Presence{}
	}
	for _, r := range f.services {
		service := serviceOf(r)
		root, _ := f.descent(r)
		from, orphan := f.caller(r)
		if f.early() && root == nil && from == Unknown {
			continue
		}
		f.connected[service] = f.connected[service] || root != nil
		if r.Handles() {
			f.edge(from, service, orphan)
		}
	}
	for i := range f.trace.Claimed {
		r := &f.trace.Claimed[i]
		service := serviceOf(r)
		from := Unknown
		if slices.ContainsFunc(results, func(x Result) bool { return x.Server == r }) {
			from = Load
		}
		if f.early() && from == Unknown {
			continue
		}
		f.connected[service] = f.connected[service] || false
		if from == Load || r.ParentID.IsZero() {
			f.edge(from, service, true)
		}
	}
	return f.sortedHops()
}

// edge counts one call. An inner SERVER span of one service is no hop.
func (f *family) edge(from, to string, orphan bool) { //nolint:revive // a property of the span
	if from == to {
		return
	}
	key := [2]string{from, to}
	e := f.edges[key]
	e.From, e.To = from, to
	e.Spans++
	if orphan {
		e.Orphans++
	}
	f.edges[key] = e
}

func (f *family) caller(r *span.Record) (from string, orphan bool) {
	a := f.attempts[r.ParentID]
	switch {
	case r.Kind == span.KindServer && f.attempts[r.SpanID] != nil:
		return Load, false
	case a != nil && f.misplaced(r, a):
		return Load, true
	case a != nil && f.byID[a.SpanID] != nil && f.byID[a.SpanID] != r:
		return serviceOf(f.byID[a.SpanID]), false // below a SERVER span with the attempt's id
	case a != nil:
		return Load, false
	case f.own[r.ParentID]:
		return Load, true
	}
	if parent := f.byID[r.ParentID]; parent != nil {
		return serviceOf(parent), false
	}
	return Unknown, true
}

func (f *family) sortedHops() ([]Edge, []Presence) {
	edges := make([]Edge, 0, len(f.edges))
	for _, e := range f.edges {
		edges = append(edges, e)
	}
	slices.SortFunc(edges, func(a, b Edge) int {
		if c := strings.Compare(a.From, b.From); c != 0 {
			return c
		}
		return strings.Compare(a.To, b.To)
	})
	present := make([]Presence, 0, len(f.connected))
	for service, is := range f.connected {
		present = append(present, Presence{service, is})
	}
	slices.SortFunc(present, func(a, b Presence) int {
		return strings.Compare(a.Service, b.Service)
	})
	return edges, present
}

// expect names the expected services that did not appear below an attempt. A
// trace owes them when an attempt held and succeeded: one that broke at its
// first hop is counted already, and a failing service need not call others.
func (f *family) expect(services []string, out Outcome) []string {
	owes := slices.ContainsFunc(out.Results, func(r Result) bool {
		return r.Verdict.Held() && join.Succeeded(r.Attempt)
	})
	if !owes || f.early() {
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
// that carry them: those whose SDK reports Span.flags. Some report the remote
// bits and not the sampled flag, so a flag that is off counts only where the
// service has shown in this trace that it reports it.
func (f *family) flags() (flagBreaks, stateBreaks uint64) {
	if len(f.services) == 0 {
		return 0, 0
	}
	for _, r := range f.services {
		if r.Flags&span.FlagSampled != 0 {
			f.reports[r.Descriptor.Service] = true
		}
	}
	for _, r := range f.services {
		a, _ := f.descent(r)
		if a == nil || r.Kind != span.KindServer || r.Flags&span.FlagRemoteKnown == 0 {
			continue
		}
		if a.Sampled && r.Flags&span.FlagSampled == 0 && f.reports[r.Descriptor.Service] {
			flagBreaks++
		}
		if !keepsState(a.TraceState, r.TraceState) {
			stateBreaks++
		}
	}
	return flagBreaks, stateBreaks
}

// keepsState reports whether every member that was sent is still there. A
// vendor may change its own member's value and the order.
// https://www.w3.org/TR/trace-context/#mutating-the-tracestate-field
func keepsState(sent, seen string) bool {
	if sent == "" {
		return true
	}
	keys := make(map[string]bool)
	for member := range strings.SplitSeq(seen, ",") {
		key, _, _ := strings.Cut(strings.TrimSpace(member), "=")
		keys[key] = true
	}
	for member := range strings.SplitSeq(sent, ",") {
		key, _, ok := strings.Cut(strings.TrimSpace(member), "=")
		if ok && !keys[key] {
			return false
		}
	}
	return true
}
