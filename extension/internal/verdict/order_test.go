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

// drawTrace draws a trace of any shape: parents among attempts, operation,
// other spans, unknown ids, shared ids, loops, and claims of anybody.
func drawTrace(t *rapid.T) ([]span.Attempt, []span.Record) {
	change := []func(*span.Attempt){
		func(*span.Attempt) {}, func(*span.Attempt) {}, reset, notSent, unsampled, excluded,
		toxic("abort"), toxic("replace"), sends(2), noService, state("a=1"),
	}
	var a []span.Attempt
	for n := range rapid.IntRange(1, 4).Draw(t, "attempts") {
		a = append(a, attempt(byte(n+1), rapid.SampledFrom(change).Draw(t, "change")))
	}
	place := []func(*span.Record){
		func(*span.Record) {}, func(*span.Record) {}, claims(1), claims(2), claimsElsewhere,
		failing, hourOff, stated("a=1"), flagged(0x300),
	}
	var s []span.Record
	for n := range rapid.IntRange(0, 7).Draw(t, "spans") {
		r := reported(rapid.SampledFrom([]span.Kind{
			span.KindServer, span.KindServer, span.KindClient, span.KindInternal, span.KindConsumer,
		}).Draw(t, "kind"), rapid.SampledFrom([]string{"gateway", "stock", ""}).Draw(t, "service"),
			byte(10+n), rapid.SampledFrom([]byte{
				1, 1, 2, 3, operation, appSpan, nowhere, none, 10, 11, 12, 13, 14,
			}).Draw(t, "parent"), rapid.SampledFrom(place).Draw(t, "place"))
		if rapid.IntRange(0, 9).Draw(t, "shared") == 0 {
			r.SpanID = id(byte(rapid.IntRange(1, 2).Draw(t, "shared id")))
		}
		if rapid.IntRange(0, 4).Draw(t, "other trace") == 0 {
			claims(byte(rapid.IntRange(1, 2).Draw(t, "claim")))(&r)
			elsewhere(&r)
		}
		s = append(s, r)
	}
	return a, s
}

func TestTheOrderOfArrivalNeverChangesAVerdict(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, s := drawTrace(t)
		before := verdict.NewJudge(verdict.Options{}).Decide(trace(a, s))
		shuffledA := rapid.Permutation(a).Draw(t, "order of attempts")
		shuffledS := rapid.Permutation(s).Draw(t, "order of spans")
		after := verdict.NewJudge(verdict.Options{}).Decide(trace(shuffledA, shuffledS))
		require.Equal(t, before.Edges, after.Edges)
		require.Equal(t, before.Services, after.Services)
		require.Equal(t, before.FlagBreaks, after.FlagBreaks)
		require.Equal(t, before.StateBreaks, after.StateBreaks)
		for _, r := range before.Results {
			i := slices.IndexFunc(after.Results, func(x verdict.Result) bool {
				return x.Attempt.SpanID == r.Attempt.SpanID
			})
			x := after.Results[i]
			require.Equal(t, r.Verdict, x.Verdict, r.Attempt.SpanID)
			require.Equal(t, r.Via, x.Via)
			require.Equal(t, []bool{r.Inferred, r.Explained}, []bool{x.Inferred, x.Explained})
			if r.Server != nil {
				require.Equal(t, r.Server.SpanID, x.Server.SpanID)
			}
		}
	})
}

// TestVerdictsKeepTheirPromises checks what must hold of any trace: a verdict
// for every attempt, evidence for what held, and no break of what was not due
// unless a span proves it.
func TestVerdictsKeepTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, s := drawTrace(t)
		o := verdict.NewJudge(verdict.Options{}).Decide(trace(a, s))
		require.Len(t, o.Results, len(a))
		used := make(map[*span.Record]bool)
		for i, r := range o.Results {
			require.Equal(t, &o.Trace.Attempts[i], r.Attempt)
			switch {
			case r.Verdict.Held():
				require.NotNil(t, r.Server)
			case r.Verdict.Broken() && !join.IsDue(r.Attempt):
				require.True(t, r.Server != nil && r.Server.Claims(r.Attempt) ||
					r.Verdict == verdict.Reparented && !r.Inferred, "%s without proof", r.Verdict)
			}
			if r.Inferred && r.Server != nil {
				require.False(t, used[r.Server], "a span was inferred to belong to two attempts")
				used[r.Server] = true
			}
			require.Equal(t, !r.Attempt.Sampled && !r.Attempt.Excluded, r.Verdict == verdict.Unsampled)
			require.Equal(t, r.Attempt.Excluded, r.Verdict == verdict.Excluded)
		}
	})
}
