package verdict

import (
	"fmt"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// notDelivered: no SERVER span is due, as the request never reached a service.
func notDelivered(_ *family, a *span.Attempt, r *Result) bool {
	switch {
	case join.Aborted(a):
		r.Verdict, r.Reason = NotDelivered, "a toxic answered in the service's place"
	case a.Outcome == span.OutcomeNotSent:
		r.Verdict, r.Reason = NotDelivered, "the request was not sent"
		if a.ErrorType != "" {
			r.Reason += ": " + a.ErrorType
		}
	default:
		return false
	}
	return true
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
	case f.trace.Truncated > 0:
		r.Reason = fmt.Sprintf("the trace has too many spans: %d were left out", f.trace.Truncated)
	default:
		return false
	}
	r.Verdict = Undecided
	return true
}

// spanLost: descendants of a SERVER span arrived and the span itself did not.
// Each parent that is lost explains one answered attempt without a SERVER span,
// in the order of the attempts.
func spanLost(f *family, a *span.Attempt, r *Result) bool {
	if !join.IsDue(a) {
		return false
	}
	if len(f.children(a)) > 0 {
		r.Verdict, r.Reason = SpanLost, "spans below the attempt arrived, none of kind SERVER"
		return true
	}
	if r.Server = f.claimsHere(a); r.Server != nil {
		r.Verdict, r.Reason = SpanLost, "a SERVER span below one that was lost claims it"
		return true
	}
	lost := f.lost
	for _, other := range f.needy {
		if f.strays[other] != nil {
			continue
		}
		if lost--; lost < 0 {
			return false
		}
		if other == a {
			r.Verdict, r.Reason = SpanLost, "descendants arrived, the SERVER span did not"
			r.Inferred = len(f.trace.Attempts) > 1 // they may descend from another attempt
			return true
		}
	}
	return false
}

// missing: the service answered and nothing arrived.
func missing(_ *family, _ *span.Attempt, r *Result) bool {
	r.Verdict, r.Reason = Missing, "no SERVER span within the settle time"
	return true
}
