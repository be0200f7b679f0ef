package verdict

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// excluded: the attempt was outside tracing.
func excluded(_ *family, a *span.Attempt, r *Result) bool {
	if !a.Excluded {
		return false
	}
	r.Verdict, r.Reason = Excluded, "outside tracing"
	return true
}

// unsampled: the attempt was sent with the sampled flag off, so no span is
// due. One that came all the same is flagged.
func unsampled(f *family, a *span.Attempt, r *Result) bool {
	if a.Sampled {
		return false
	}
	r.Verdict, r.Reason = Unsampled, "sent with the sampled flag off"
	if server := f.server(a); server != nil {
		r.RecordedUnsampled, r.Server = true, server
		r.Reason = "a service recorded an unsampled attempt"
	}
	return true
}
