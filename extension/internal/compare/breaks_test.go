package compare

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// calls are 500 calls on each of 30 edges, of which one loses its parent where
// an edge is said to be hit.
func calls(tb testing.TB, hit func(edge int) bool, more ...verdict.Edge) *report.Report {
	tb.Helper()
	g := group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, n: 1, ms: 1, edges: more}
	for i := range 30 {
		e := verdict.Edge{From: "gateway", To: fmt.Sprint("service ", i), Spans: 500}
		if hit(i) {
			e.Orphans = 1
		}
		g.edges = append(g.edges, e)
	}
	return made(tb, "run", 1, g)
}

// Where spans lose their parent now and then, every run has edges on which the
// other one has no orphan.
func TestOrphansOnOtherEdgesThanBeforeAreNothingNew(t *testing.T) {
	t.Parallel()
	early, late := func(i int) bool { return i < 5 }, func(i int) bool { return i >= 25 }
	assert.Empty(t, compared(t, Options{}, calls(t, early), calls(t, late)).Regressions)
	stray := verdict.Edge{From: verdict.Unknown, To: "service 1", Spans: 1, Orphans: 1}
	base := calls(t, early)
	assert.Empty(t, compared(t, Options{}, base, calls(t, late, stray)).Regressions)
	stray.Spans, stray.Orphans = 60, 60
	found := compared(t, Options{}, base, calls(t, late, stray)).Regressions
	require.Len(t, found, 1)
	assert.Equal(t, "new kind of break: orphans on (unknown) -> service 1, 60 of 60", found[0].What)
	never := func(int) bool { return false }
	c := compared(t, Options{}, calls(t, never), calls(t, late))
	assert.Len(t, c.Heads[0].NewBreaks, 5, "where none was before, each is news")
	assert.Empty(t, c.Regressions, "and one of each proves nothing")
}

// Of a break that got no answer nobody can tell whether a toxic caused it.
func TestABreakThatTheBaseMayHaveHadIsNotNew(t *testing.T) {
	t.Parallel()
	run := func(restarted int, c report.Control) *report.Report {
		r := made(t, "run", 2,
			group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, n: 1000, ms: 10},
			group{phase: "a", name: "n", number: 1, verdict: verdict.Restarted, n: restarted, ms: 10})
		r.Control = c
		return r
	}
	news := func(base, head *report.Report) int {
		return len(compared(t, Options{}, base, head).Heads[0].NewBreaks)
	}
	head := run(1, report.Control{FalseBreak: 1})
	assert.Equal(t, 1, news(run(0, report.Control{}), head))
	assert.Equal(t, 1, news(run(10, report.Control{Injected: 10, Detected: 10}), head))
	assert.Zero(t, news(run(10, report.Control{Unsure: 10}), head))
	assert.Zero(t, news(run(10, report.Control{Injected: 9, Detected: 9, Unsure: 1}), head))
	assert.Zero(t, news(run(0, report.Control{}), run(3, report.Control{Unsure: 3})))
}

func TestManyServicesRaiseNoFalseAlarmOfOneThatIsAbsent(t *testing.T) {
	t.Parallel()
	run := func(services, reached int) *report.Report {
		g := group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, ms: 1}
		far := g
		g.n, far.n = 500-reached, reached
		for i := range services {
			far.services = append(far.services,
				verdict.Presence{Service: fmt.Sprint("service ", i), Connected: true})
		}
		return made(t, "run", 3, g, far)
	}
	assert.Len(t, compared(t, Options{}, run(1, 6), run(1, 0)).Regressions, 1)
	assert.Empty(t, compared(t, Options{}, run(30, 6), run(30, 0)).Regressions)
	assert.Len(t, compared(t, Options{}, run(30, 60), run(30, 0)).Regressions, 30)
}

func TestANewBreakSaysWhetherChanceCouldExplainIt(t *testing.T) {
	t.Parallel()
	run := func(missing int) *report.Report { return withMissing(t, 1000, missing) }
	for missing, want := range map[int]string{
		1:   "new kind of break: missing, 1 of 1000, as chance could explain (p = 1)",
		5:   "new kind of break: missing, 5 of 1000, as chance could explain (p = 0.062)",
		7:   "new kind of break: missing, 7 of 1000, as chance could explain (p = 0.015)",
		8:   "new kind of break: missing, 8 of 1000",
		100: "new kind of break: missing, 100 of 1000",
	} {
		c := compared(t, Options{}, run(0), run(missing))
		require.Len(t, c.Heads[0].NewBreaks, 1)
		assert.Equal(t, want, c.Heads[0].NewBreaks[0].String())
		assert.Equal(t, missing >= 8, slices.ContainsFunc(c.Regressions, func(f Finding) bool {
			return f.What == want
		}), "a regression is what chance does not explain")
	}
}

func TestAQuantileOfTooFewObservationsHasNoInterval(t *testing.T) {
	t.Parallel()
	few := values{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	row := quantileRow("p99", sample{distribution: few}, sample{distribution: values{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}, 0.99, 0.95)
	assert.Equal(t, MarkUnknown, row.Mark)
	assert.Zero(t, row.Level)
	assert.Empty(t, limitsText(row))
	assert.Equal(t, "+1.00 ms", changeText(row))
	assert.Nil(t, newPlot(row, 10))
}

// With a trace per iteration, requests are more than traces; of a sample, only
// the traces that were asked for say which services they reached.
func TestServicesAreASharePerTraceNotPerRequest(t *testing.T) {
	t.Parallel()
	run := func() *report.Report {
		b := report.NewBuilder(testRun("run"), report.BuilderOptions{})
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 100 {
			g := group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, ms: 1}
			g.services = []verdict.Presence{{Service: "shop", Connected: true}}
			if i >= 90 {
				g.verdict, g.services = verdict.Undecided, nil
			}
			o := g.outcome(&span.Labels{Phase: "a", Name: "n"}, random)
			o.Results = slices.Repeat(o.Results, 4)
			if i >= 90 {
				o.Trace.Reason = join.ReasonPartial
			}
			b.Add(o)
		}
		return b.Report(start().Add(time.Minute))
	}
	row := compared(t, Options{}, run(), run()).Heads[0].row(tableServices, "shop")
	require.NotNil(t, row)
	assert.Equal(t, uint64(90), row.Head.Hits)
	assert.Equal(t, uint64(90), row.Head.Total)
}

func TestRunsWhoseBreaksComeInBurstsAreWarnedOf(t *testing.T) {
	t.Parallel()
	base, head := good(t), good(t)
	for i := range head.Series.Buckets {
		b := &head.Series.Buckets[i]
		if i%20 == 0 {
			b.Held, b.Broken = b.Held/2, b.Held-b.Held/2
		}
	}
	c := compared(t, Options{Labels: []string{"main", "pr"}, Strict: true}, base, head)
	assert.Zero(t, c.Runs[0].Dispersion)
	assert.Greater(t, c.Runs[1].Dispersion, 10.0)
	var text, markdown, page strings.Builder
	require.NoError(t, WriteText(&text, c, TextOptions{}))
	require.NoError(t, WriteMarkdown(&markdown, c))
	require.NoError(t, WriteHTML(&page, c))
	for _, written := range []string{text.String(), markdown.String(), page.String()} {
		assert.Regexp(t, `(?i)warning: .?pr: breaks come in bursts, so its intervals are about \d`, written)
		assert.NotContains(t, written, "main: breaks come in bursts")
	}
}

// A run that judged nothing shows nothing, as a gate without a value does.
func TestARunThatDecidesNothingIsNoPass(t *testing.T) {
	t.Parallel()
	silent := made(t, "run", 5,
		group{phase: "a", name: "n", number: 1, verdict: verdict.Undecided, n: 400, ms: 10},
		group{phase: "a", name: "n", number: 1, verdict: verdict.NotDelivered, n: 100, ms: 10})
	c := compared(t, Options{}, good(t), silent)
	require.Len(t, c.Regressions, 1)
	assert.Equal(t, "continuity is unknown: of 500 attempts none was held or broken",
		c.Regressions[0].What)
	assert.Equal(t, 1, c.ExitCode())
	assert.Zero(t, compared(t, Options{}, silent, silent).ExitCode())
	assert.Zero(t, compared(t, Options{}, silent, good(t)).ExitCode())
}

func TestATrendOfTooFewObservationsHasNoInterval(t *testing.T) {
	t.Parallel()
	run := func(n int) *report.Report {
		return made(t, "run", 6,
			group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, n: n, ms: 10})
	}
	width := func(n int, name string) float64 {
		trends := compared(t, Options{}, run(n), run(n), run(n)).Trends
		at := slices.IndexFunc(trends, func(t Trend) bool { return t.Name == name })
		require.GreaterOrEqual(t, at, 0)
		return trends[at].Values[0].High - trends[at].Values[0].Low
	}
	assert.Zero(t, width(50, "p99.duration_ms"))
	assert.Positive(t, width(50, "p50.duration_ms"))
	assert.Positive(t, width(5000, "p99.duration_ms"))
}

// No span is due in a trace that is not sampled, so it reaches no service.
func TestServicesAreAShareOfTheSampledTraces(t *testing.T) {
	t.Parallel()
	g := group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, n: 10, ms: 1}
	g.services = []verdict.Presence{{Service: "shop", Connected: true}}
	r := made(t, "run", 7, g,
		group{phase: "a", name: "n", number: 1, verdict: verdict.Unsampled, n: 90, ms: 1})
	row := compared(t, Options{}, r, r).Heads[0].row(tableServices, "shop")
	require.NotNil(t, row)
	assert.Equal(t, uint64(10), row.Head.Total)
}
