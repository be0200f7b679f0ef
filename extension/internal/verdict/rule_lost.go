package verdict

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// notDelivered: no SERVER span is due, as the request never reached a service.
func notDelivered(_ *family, a *span.Attempt, r *Result) bool {
	switch {
	case join.Aborted(a):
		r.Verdict, r.Reason = NotDelivered, "a toxic answered in the service's place"
	case a.Outcome == span.OutcomeNotSent:
		r.Verdict, r.Reason = NotDelivered, "the request was not sent: "+a.ErrorType
	default:
		return false
	}
	return true
}

// spanLost: descendants of a SERVER span arrived and the span itself did not.
// Each parent that is lost explains one answered attempt without a SERVER span,
// in the order of the attempts.
func spanLost(f *family, a *span.Attempt, r *Result) bool {
	if a.Outcome != span.OutcomeAnswered {
		return false
	}
	if len(f.children(a)) > 0 {
		r.Verdict, r.Reason = SpanLost, "spans below the attempt arrived, none of kind SERVER"
		return true
	}
	lost := len(f.lost())
	for i := range f.trace.Attempts {
		other := &f.trace.Attempts[i]
		if other.Outcome != span.OutcomeAnswered || !other.Sampled || join.Aborted(other) ||
			f.server(other) != nil {
			continue
		}
		if lost--; lost < 0 {
			return false
		}
		if other == a {
			r.Verdict, r.Reason = SpanLost, "descendants arrived, the SERVER span did not"
			return true
		}
	}
	return false
}

// undecided: the transport failed after sending, or the source could not tell.
func undecided(f *family, a *span.Attempt, r *Result) bool {
	switch {
	case f.trace.Reason == join.ReasonPartial:
		r.Reason = "the source could not tell: " + f.trace.Detail
	case a.Outcome == span.OutcomeSentFailed:
		r.Reason = "sent, then the transport failed"
		if a.ErrorType != "" {
			r.Reason += ": " + a.ErrorType
		}
	case f.trace.Reason == join.ReasonEvicted:
		r.Reason = "settled early: too many traces were open"
	case f.trace.Reason == join.ReasonInterrupted:
		r.Reason = f.trace.Detail
	default:
		return false
	}
	r.Verdict = Undecided
	return true
}

// missing: the service answered and nothing arrived.
func missing(_ *family, _ *span.Attempt, r *Result) bool {
	r.Verdict, r.Reason = Missing, "no SERVER span within the settle time"
	return true
}
