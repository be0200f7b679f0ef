package verdict

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// restarted: a SERVER span of another trace carries the attempt's correlation
// token, so the service handled the attempt and started a trace of its own. A
// child in the attempt's own trace is the better evidence.
func restarted(f *family, a *span.Attempt, r *Result) bool {
	if len(f.handlers(a)) > 0 {
		return false
	}
	for i := range f.trace.Claimed {
		claimed := &f.trace.Claimed[i]
		if !claims(claimed, a) {
			continue
		}
		if r.Server == nil || claimed.ParentID.IsZero() && !r.Server.ParentID.IsZero() {
			r.Server = claimed
		}
	}
	if r.Server == nil {
		return false
	}
	r.Verdict, r.Reason = Restarted, "the service started a new trace"
	return true
}

// handlers are the SERVER and CONSUMER spans directly below the attempt.
func (f *family) handlers(a *span.Attempt) []*span.Record {
	var out []*span.Record
	for _, child := range f.children(a) {
		if handles(child) {
			out = append(out, child)
		}
	}
	return out
}
