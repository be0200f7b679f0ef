package verdict

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// restarted: a SERVER span of another trace carries the attempt's correlation
// token, so the service handled the attempt and started a trace of its own.
func restarted(f *family, a *span.Attempt, r *Result) bool {
	if r.Server = f.claimed(a); r.Server == nil {
		return false
	}
	r.Verdict, r.Reason = Restarted, "the service started a new trace"
	if !r.Server.ParentID.IsZero() {
		r.Reason = "the service continued another trace"
	}
	return true
}

// restartedInferred: nothing names the attempt, but a trace began at the same
// service, method and route while the attempt was waited for.
func restartedInferred(f *family, a *span.Attempt, r *Result) bool {
	for i := range f.trace.Roots {
		if root := &f.trace.Roots[i]; &f.trace.Attempts[root.Attempt] == a {
			r.Verdict, r.Server, r.Inferred = Restarted, &root.Record, true
			r.Reason = "a trace of the same service and route began instead"
			return true
		}
	}
	return false
}
