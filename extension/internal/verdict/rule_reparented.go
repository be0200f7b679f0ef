package verdict

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// reparented: the SERVER span is in the attempt's trace under the wrong parent:
// the operation, another attempt, an unknown id, or none. The correlation token
// says whose span it is.
func reparented(f *family, a *span.Attempt, r *Result) bool {
	r.Server = f.claimsHere(a)
	if r.Server == nil || f.belowLost(r.Server, a) && !r.Injected {
		r.Server = nil
		return false
	}
	r.Verdict = Reparented
	r.Reason = "the SERVER span is under another parent: " + f.parentName(r.Server)
	return true
}

// belowLost reports whether a span that claims an attempt is under the id of a
// span that was lost, or is still to come: that of a proxy, which handed the
// User-Agent on. Other attempts show that another service answers first.
func (f *family) belowLost(s *span.Record, a *span.Attempt) bool {
	if !f.isOrphan(s) {
		return false
	}
	known, same := false, false
	for _, x := range f.trace.Served {
		if &f.trace.Attempts[x.Attempt] == a {
			known, same = true, same || x.Service == s.Descriptor.Service
		}
	}
	return f.early() || known && !same
}

// reparentedInferred: the same without a token, for a span that belongs to
// nobody else.
func reparentedInferred(f *family, a *span.Attempt, r *Result) bool {
	if r.Server = f.strays[a]; r.Server == nil {
		return false
	}
	r.Verdict, r.Inferred = Reparented, true
	r.Reason = "the SERVER span is under another parent: " + f.parentName(r.Server)
	return true
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
