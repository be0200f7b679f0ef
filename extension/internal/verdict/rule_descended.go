package verdict

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// descended: a SERVER span descends from the attempt's client span, directly
// or through a proxy's spans. More than one direct child is a duplicate, which
// is explained when the transport wrote the request more than once.
func descended(f *family, a *span.Attempt, r *Result) bool {
	direct := f.handlers(a)
	switch {
	case len(direct) > 1:
		r.Verdict, r.Server, r.Explained = Duplicated, direct[0], a.Sends > 1
		r.Reason = "more than one SERVER span below the attempt"
		return true
	case len(direct) == 1:
		r.Verdict, r.Server = Continued, direct[0]
		return true
	}
	for _, s := range f.services {
		if !handles(s) {
			continue
		}
		if ancestor, via := f.descent(s); ancestor == a && (r.Server == nil || via < r.Via) {
			r.Verdict, r.Server, r.Via = Continued, s, via
		}
	}
	return r.Server != nil
}
