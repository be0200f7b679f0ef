package join

import (
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// IsDue reports whether a SERVER span has to come for the attempt: it was
// sampled and answered, and no toxic answered in the service's place.
func IsDue(a *span.Attempt) bool {
	return a.Sampled && !a.Excluded && a.Outcome == span.OutcomeAnswered && !Aborted(a)
}

// Aborted reports whether a toxic says that the service never saw the attempt.
func Aborted(a *span.Attempt) bool {
	return a.Marks != nil &&
		slices.ContainsFunc(a.Marks.List, func(m span.Mark) bool { return m.Mode == "abort" })
}

// Succeeded reports whether the service did what it was asked: only then the
// services behind it were called for certain.
func Succeeded(a *span.Attempt) bool {
	const firstError = 400
	return IsDue(a) && a.Status > 0 && a.Status < firstError
}

// awaits is how many SERVER spans are waited for: one per send. One more send
// than was handled is the rule rather than the exception, but only time tells. A
// toxic that answered in the service's place kept the last send from it; those
// that the transport had made before may have arrived.
func awaits(a *span.Attempt) int {
	sends := max(1, int(a.Sends))
	switch {
	case !a.Sampled || a.Excluded || a.Outcome == span.OutcomeNotSent:
		return 0
	case a.Outcome == span.OutcomeAnswered && Aborted(a):
		return sends - 1
	default:
		return sends
	}
}

// isComplete reports whether everything due has arrived.
func (s *Store) isComplete(e *entry) bool {
	succeeded := false
	for i := range e.attempts {
		a := &e.attempts[i]
		n := awaits(a)
		if n > 0 && e.servers(a, &s.roots) < n && (n > 1 || !e.descends(a)) {
			return false
		}
		succeeded = succeeded || Succeeded(a)
	}
	for i := range e.spans {
		r := &e.spans[i]
		theirs := r.Handles() || r.Descriptor.Scope != span.LoadScope
		if theirs && !r.ParentID.IsZero() && !e.has(r.ParentID) {
			return false
		}
		if s.hops.mayLead(r) && !e.hasChild(r.SpanID) && !e.isAttempt(r.SpanID) &&
			(s.hops.leads(r) || s.learns(e, r)) {
			return false
		}
	}
	return !succeeded || e.visited(s.config.Expect)
}

// learns reports whether a call may be the first of its kind.
func (s *Store) learns(e *entry, r *span.Record) bool {
	return e.lastAttempt-s.began.Load() < int64(s.config.Learning) &&
		r.Kind == span.KindClient && r.Descriptor.Method != ""
}

// visited reports whether every service has reported a span.
func (e *entry) visited(services []string) bool {
	for _, service := range services {
		if !anyOf(e.spans, func(r *span.Record) bool { return r.Descriptor.Service == service }) {
			return false
		}
	}
	return true
}
