package verdict

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// reparented: the SERVER span is in the attempt's trace under the wrong parent:
// the operation, another attempt, or an unknown id. The correlation token says
// whose span it is; without one, a SERVER span under the operation's own id
// belongs to the only attempt that lacks one.
func reparented(f *family, a *span.Attempt, r *Result) bool {
	for _, s := range f.services {
		if s.Kind == span.KindServer && claims(s, a) && s.ParentID != a.SpanID {
			r.Verdict, r.Server = Reparented, s
			r.Reason = "the SERVER span is under another parent: " + f.parentName(s)
			return true
		}
	}
	if f.unserved() != 1 || f.early() {
		return false
	}
	for _, s := range f.services {
		stray := f.own[s.ParentID] || f.isOrphan(s) && s.Descriptor.Service != "" &&
			s.Descriptor.Service == a.Labels.Service
		if s.Kind == span.KindServer && s.Claim.IsZero() && stray {
			r.Verdict, r.Server, r.Inferred = Reparented, s, true
			r.Reason = "the SERVER span is under another parent: " + f.parentName(s)
			return true
		}
	}
	return false
}

// early reports whether spans may still have been on their way.
func (f *family) early() bool {
	return f.trace.Reason != join.ReasonComplete && f.trace.Reason != join.ReasonTimeout
}

func (f *family) parentName(s *span.Record) string {
	switch {
	case s.ParentID.IsZero():
		return "none"
	case f.own[s.ParentID]:
		return "the operation"
	case f.attempts[s.ParentID] != nil:
		return "another attempt"
	default:
		return "an unknown id"
	}
}

// unserved counts the answered attempts without a SERVER span below them.
func (f *family) unserved() int {
	n := 0
	for i := range f.trace.Attempts {
		a := &f.trace.Attempts[i]
		if a.Outcome == span.OutcomeAnswered && f.server(a) == nil {
			n++
		}
	}
	return n
}
