package verdict_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// drawSettled draws a trace that settled for any reason.
func drawSettled(t *rapid.T, a []span.Attempt, s []span.Record) *join.Trace {
	tr := trace(a, s)
	tr.Reason = join.Reason(rapid.IntRange(0, int(join.ReasonPartial)).Draw(t, "reason"))
	tr.Truncated = rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "truncated")
	if tr.Reason == join.ReasonInterrupted || tr.Reason == join.ReasonPartial {
		tr.Detail = "the detail"
	}
	for i := range tr.Attempts {
		due := tr.Reason == join.ReasonTimeout && join.IsDue(&tr.Attempts[i])
		if due && rapid.Bool().Draw(t, "root") {
			r := server("gateway", byte(150+i), none, elsewhere)
			tr.Roots = append(tr.Roots, join.Root{Attempt: i, Record: r})
		}
	}
	return tr
}

// unanswered is what the rules say of an attempt of which no span came: the
// table of verdicts, read from its end.
func unanswered(tr *join.Trace, i int) (v verdict.Verdict, inferred bool) {
	a := &tr.Attempts[i]
	early := tr.Reason != join.ReasonComplete && tr.Reason != join.ReasonTimeout
	offered := slices.ContainsFunc(tr.Roots, func(r join.Root) bool { return r.Attempt == i })
	switch {
	case a.Excluded:
		return verdict.Excluded, false
	case !a.Sampled:
		return verdict.Unsampled, false
	case join.Aborted(a), a.Outcome == span.OutcomeNotSent:
		return verdict.NotDelivered, false
	case a.Outcome == span.OutcomeSentFailed, early, tr.Truncated > 0:
		return verdict.Undecided, false
	case offered:
		return verdict.Restarted, true
	default:
		return verdict.Missing, false
	}
}

// told are the results without the pointers that differ from trace to trace.
func told(o verdict.Outcome) []verdict.Result {
	out := slices.Clone(o.Results)
	for i := range out {
		out[i].Attempt = nil
		if out[i].Server != nil {
			server := *out[i].Server
			server.Descriptor = nil
			out[i].Server = &server
		}
	}
	return out
}

// TestTracesWithoutSpansAreJudgedByTheTable holds the shortcut for traces of
// which nothing came to a reference of a few lines.
func TestTracesWithoutSpansAreJudgedByTheTable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, _ := drawTrace(t)
		tr := drawSettled(t, a, nil)
		o := verdict.NewJudge(verdict.Options{Expect: []string{"gateway"}}).Decide(tr)
		require.Len(t, o.Results, len(a))
		for i, r := range o.Results {
			want, inferred := unanswered(tr, i)
			require.Equal(t, want, r.Verdict)
			require.Equal(t, inferred, r.Inferred)
			require.Equal(t, inferred, r.Server != nil)
			require.Equal(t, &tr.Attempts[i], r.Attempt)
		}
		require.Equal(t, []verdict.Edge{}, o.Edges)
		require.Equal(t, []verdict.Presence{}, o.Services)
		require.Empty(t, o.ExpectedMissing)
		require.Zero(t, o.FlagBreaks+o.StateBreaks)
	})
}

// TestAJudgeDecidesEachTraceByItself judges traces one after the other, and each
// by a judge of its own.
func TestAJudgeDecidesEachTraceByItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options := verdict.Options{Expect: []string{"gateway", "stock"}}
		judge := verdict.NewJudge(options)
		var outcomes []verdict.Outcome
		for range rapid.IntRange(2, 6).Draw(t, "traces") {
			a, s := drawTrace(t)
			if rapid.Bool().Draw(t, "no spans") {
				s = nil
			}
			outcomes = append(outcomes, judge.Decide(drawSettled(t, a, s)))
		}
		for _, got := range outcomes {
			require.Equal(t, verdict.NewJudge(options).Decide(got.Trace), got)
		}
	})
}

// TestShortcutsNeverChangeAnOutcome judges a trace as it is, and with spans that
// tell nothing and keep the shortcuts from being taken: one of the load itself,
// and one of another trace that names nobody.
func TestShortcutsNeverChangeAnOutcome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, s := drawTrace(t)
		if rapid.Bool().Draw(t, "no spans") {
			s = nil
		}
		short := drawSettled(t, a, s)
		long := *short
		long.Spans = append(slices.Clone(short.Spans), own(span.KindInternal, 200, none))
		stranger := reported(span.KindConsumer, "stranger", 201, 202, elsewhere, claims(203))
		if rapid.Bool().Draw(t, "stranger") {
			long.Claimed = append(slices.Clone(short.Claimed), stranger)
		}
		options := verdict.Options{Expect: []string{"gateway", "stock"}}
		want, got := verdict.NewJudge(options).Decide(short), verdict.NewJudge(options).Decide(&long)
		require.Equal(t, told(want), told(got))
		got.Services = slices.DeleteFunc(got.Services, func(p verdict.Presence) bool {
			return p.Service == "stranger"
		})
		require.Equal(t, want.Edges, got.Edges)
		require.Equal(t, want.Services, got.Services)
		require.Equal(t, want.ExpectedMissing, got.ExpectedMissing)
		require.Equal(t, want.FlagBreaks, got.FlagBreaks)
		require.Equal(t, want.StateBreaks, got.StateBreaks)
	})
}

// TestWhatSettledEarlyProvesNoOrphan: what is above a span may be on its way. A
// claim that decides is proof at any time.
func TestWhatSettledEarlyProvesNoOrphan(t *testing.T) {
	t.Parallel()
	for _, reason := range []join.Reason{
		join.ReasonEvicted, join.ReasonInterrupted, join.ReasonPartial,
	} {
		tr := trace(attempts(attempt(1), attempt(2)), spans(
			server("gateway", 10, 1), server("stock", 11, nowhere),
			server("gateway", 12, none, elsewhere, claims(2)),
			server("other", 13, none, elsewhere, claims(3))))
		tr.Reason = reason
		o := verdict.NewJudge(verdict.Options{}).Decide(tr)
		require.Equal(t, "continued, restarted", summary(o))
		require.Equal(t, []verdict.Edge{{verdict.Load, "gateway", 2, 1}}, o.Edges)
		require.Equal(t, []verdict.Presence{{"gateway", true}}, o.Services)
	}
}
