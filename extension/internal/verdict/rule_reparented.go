package verdict

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// reparented: the SERVER span is in the attempt's trace under the wrong parent:
// the operation, another attempt, an unknown id, or none. The correlation token
// says whose span it is.
func reparented(f *family, a *span.Attempt, r *Result) bool {
	if r.Server = f.claimsHere(a); r.Server == nil {
		return false
	}
	r.Verdict = Reparented
	r.Reason = "the SERVER span is under another parent: " + f.parentName(r.Server)
	return true
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
