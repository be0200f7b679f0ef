package compare

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// judgingRunner is the report of a runner with a source of its own.
func judgingRunner(id, source string, outcomes ...verdict.Outcome) *report.Report {
	run := testRun(id)
	run.Labels, run.Source = map[string]string{testLabel: "run"}, source
	b := report.NewBuilder(run, report.BuilderOptions{})
	for _, o := range outcomes {
		b.Add(o)
	}
	return b.Report(end(0))
}

func TestAPartIsNotCountedTwiceInAnyDisguise(t *testing.T) {
	t.Parallel()
	stretch := func(instance string, number uint64) *report.Report {
		s := stretchOf(instance, number, number, float64(10*number), float64(10*number+10))
		return shardPart(s, attemptAt(number, float64(10*number), verdict.Continued))
	}
	empty := func(number uint64) *report.Report {
		s := stretchOf("a", number, number, float64(10*number), float64(10*number+10))
		s.FirstAttempt, s.LastAttempt = time.Time{}, time.Time{}
		return shardPart(s)
	}
	ledger := func() *report.Report {
		b := report.NewBuilder(report.Run{Start: start(), Source: "collector=a"},
			report.BuilderOptions{Partial: true})
		b.SetSpans(report.Spans{Received: 10})
		return b.Report(end(1))
	}
	unfinished := judgingRunner("one", "otlp", attemptAt(1, 1, verdict.Continued))
	unfinished.Run.End = start()
	finished := judgingRunner("one", "otlp", attemptAt(1, 1, verdict.Continued),
		attemptAt(2, 1, verdict.Continued))
	for name, parts := range map[string][]*report.Report{
		"an empty window":        {empty(1), empty(1)},
		"a shard's spans":        {ledger(), ledger()},
		"in a merge":             {merged(t, stretch("a", 1), stretch("a", 2)), stretch("a", 2)},
		"in two merges":          {merged(t, stretch("a", 1), stretch("b", 1)), merged(t, stretch("b", 1), stretch("b", 2))},
		"saved before its end":   {unfinished, finished},
		"a runner within merges": {merged(t, finished, judgingRunner("two", "otlp")), finished},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Merge(parts)
			require.ErrorContains(t, err, "reports 1 and 2 hold the same part of run ")
		})
	}
	merged(t, stretch("a", 1), stretch("b", 1), stretch("a", 2), empty(3), ledger())
}

func TestRunnersWithoutASourceBesideJudgingOnesAddTheirOwnAttempts(t *testing.T) {
	t.Parallel()
	var judged, sent []verdict.Outcome
	for i := range 7 {
		judged = append(judged, attemptAt(uint64(i+1), 1, verdict.Continued))
		sent = append(sent, attemptAt(uint64(i+101), 1, verdict.Undecided))
	}
	a, b := judgingRunner("a", "otlp", judged...), judgingRunner("b", sourceNone, sent...)
	c := judgingRunner("c", "otlp", attemptAt(50, 1, verdict.Missing))
	got := merged(t, a, b, c)
	assert.Equal(t, map[string]uint64{"continued": 7, "undecided": 7, "missing": 1}, got.Totals.Verdicts)
	assert.Equal(t, fingerprint(t, got), fingerprint(t, merged(t, c, merged(t, b, a))))
}

// nameless is a Collector's part of a load that names no test.
func nameless(outcomes ...verdict.Outcome) *report.Report {
	b := report.NewBuilder(report.Run{Start: start(), Source: "collector=b"}, report.BuilderOptions{Partial: true})
	for _, o := range outcomes {
		b.Add(o)
	}
	b.AddClaim(report.Claim{
		TraceID: tracecontext.TraceID{7: 1}, SpanID: tracecontext.SpanID{7: 1}, Root: tracecontext.TraceID{9},
	})
	b.SetSpans(report.Spans{Received: 10})
	return b.Report(end(1))
}

func TestAttemptsThatNameNoTestAreNotThoseOfAnother(t *testing.T) {
	t.Parallel()
	home := shardPart(stretchOf("a", 1, 1, 0, 60), attemptAt(1, 1, verdict.Missing))
	home.Run.Labels = map[string]string{testLabel: "run"}
	stranger := nameless(attemptAt(2, 1, verdict.Missing), attemptAt(3, 1, verdict.Continued))
	for _, parts := range [][]*report.Report{{home, stranger}, {stranger, home}} {
		_, err := Merge(parts)
		require.ErrorIs(t, err, ErrForeignPart)
		require.ErrorContains(t, err, "has 2 attempts of a load that names no test, and report ")
	}
	of, others := OfTest([]*report.Report{home, stranger}, "run")
	assert.Equal(t, 1, others, "counted as left out")
	got := merged(t, of...)
	assert.Equal(t, map[string]uint64{"restarted": 1}, got.Totals.Verdicts, "by the other's claim")
	assert.Equal(t, uint64(10), got.Spans.Received)
	assert.Len(t, got.Partial.Missing, 1)
	assert.Equal(t, uint64(2), stranger.Totals.Attempts, "it is not changed")
	merged(t, home, nameless()) // claims alone are of no test

	// Without any name all of it may be one run, and the runner's report says which.
	alone := merged(t, stranger, judgingRunner("x", sourceNone,
		attemptAt(2, 1, verdict.Undecided), attemptAt(3, 1, verdict.Undecided)))
	assert.Equal(t, uint64(2), alone.Totals.Attempts)
}

// TestAMoveFindsTheRowOfATableThatIsFull: on one shard a name counts under
// (other), on the other one it has a row.
func TestAMoveFindsTheRowOfATableThatIsFull(t *testing.T) {
	t.Parallel()
	named := func(id uint64, name string, v verdict.Verdict) verdict.Outcome {
		o := attemptAt(id, 1, v)
		o.Results[0].Attempt.Labels = &span.Labels{Name: name, Method: "GET"}
		return o
	}
	full, other := part(0), part(1)
	for i := range report.MaxRows {
		full.Add(named(uint64(i+10), fmt.Sprintf("/%d", i), verdict.Continued))
	}
	lost := named(1, "/late", verdict.Missing)
	full.Add(lost)
	other.Add(named(2, "/late", verdict.Missing))
	other.AddClaim(report.Claim{
		TraceID: lost.Trace.ID, SpanID: lost.Results[0].Attempt.SpanID, Root: tracecontext.TraceID{9},
	})
	got := merged(t, full.Report(end(0)), other.Report(end(1)))
	rows := make(map[string]map[string]uint64)
	for _, row := range got.By["name"] {
		rows[row.Key] = row.Verdicts
	}
	assert.Equal(t, map[string]uint64{"restarted": 1}, rows[report.Other])
	assert.Equal(t, map[string]uint64{"missing": 1}, rows["/late"], "the other attempt")
	assert.Contains(t, got.Warnings, otherWarning)
}

func TestAnAttemptThatTwoShardsJudgedIsTold(t *testing.T) {
	t.Parallel()
	a := shardPart(stretchOf("a", 1, 1, 0, 60), attemptAt(1, 1, verdict.Missing), attemptAt(2, 1, verdict.Missing))
	b := shardPart(stretchOf("b", 1, 1, 0, 60), attemptAt(1, 1, verdict.Undecided))
	c := shardPart(stretchOf("c", 1, 1, 0, 60))
	got := merged(t, a, b, c)
	assert.Contains(t, strings.Join(got.Warnings, "\n"), "1 attempts count twice")
	want := fingerprint(t, got)
	assert.Equal(t, want, fingerprint(t, merged(t, merged(t, c, b), a)))
	assert.Equal(t, want, fingerprint(t, merged(t, c, merged(t, b, a))))
}

// TestRandomPartsInRandomGroupsEqualOneProcess splits traffic over shards and
// windows, merges the parts in groups of groups, and compares what a report holds
// with that of one process, to the sums within it.
func TestRandomPartsInRandomGroupsEqualOneProcess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := drawTraffic(t)
		whole := part(0)
		for _, o := range list {
			whole.Add(o)
		}
		want := merged(t, whole.Report(end(0)))
		parts := sharded(t, list, rapid.IntRange(2, 6).Draw(t, "parts"))
		flat := merged(t, rapid.Permutation(parts).Draw(t, "order")...)
		got := grouped(t, parts)
		require.Equal(t, fingerprint(t, flat), fingerprint(t, got), "grouping")
		require.Equal(t, want.Totals, got.Totals)
		require.Equal(t, want.Control, got.Control)
		require.Equal(t, want.Seen, got.Seen)
		requireSameSeries(t, want, got)
		requireAddsUp(t, got)
	})
}

// grouped merges in random groups until one report is left.
func grouped(t *rapid.T, parts []*report.Report) *report.Report {
	for len(parts) > 1 {
		n := rapid.IntRange(1, len(parts)).Draw(t, "group")
		parts = rapid.Permutation(parts).Draw(t, "members")
		parts = append([]*report.Report{merged(t, parts[:n]...)}, parts[n:]...)
	}
	return merged(t, parts...)
}

// requireAddsUp holds the sums of a report against each other.
func requireAddsUp(t *rapid.T, r *report.Report) {
	for _, dimension := range report.Dimensions() {
		var sum report.Counts
		for _, row := range r.By[dimension] {
			require.Equal(t, row.Attempts, row.Duration.Count(), "%s %s", dimension, row.Key)
			sum.Attempts, sum.Held, sum.Broken = sum.Attempts+row.Attempts, sum.Held+row.Held, sum.Broken+row.Broken
			sum.Retries += row.Retries
		}
		if len(r.By[dimension]) > 0 {
			require.Equal(t, r.Totals.Attempts, sum.Attempts, dimension)
			require.Equal(t, r.Totals.Held, sum.Held, dimension)
			require.Equal(t, r.Totals.Broken, sum.Broken, dimension)
			require.Equal(t, r.Totals.Retries, sum.Retries, dimension)
		}
	}
	var held, broken, attempts uint64
	for _, b := range r.Series.Buckets {
		held, broken, attempts = held+b.Held, broken+b.Broken, attempts+b.Attempts
		require.Equal(t, b.Attempts, b.Duration.Count())
	}
	require.Equal(t, r.Totals.Held, held, "series")
	require.Equal(t, r.Totals.Broken, broken, "series")
	require.Equal(t, r.Totals.Attempts, attempts, "series")
	require.Equal(t, r.Totals.Attempts, r.Histograms["duration_ms"].Count())
	require.Equal(t, r.Totals.Broken, r.Control.Detected+r.Control.FalseBreak+r.Control.Unsure)
}

func TestPartsOfTwoTestsAreRefusedWhateverIsBetweenThem(t *testing.T) {
	t.Parallel()
	of := func(instance, test string) *report.Report {
		p := shardPart(stretchOf(instance, 1, 1, 0, 60))
		p.Run.ID = test
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.Permutation([]*report.Report{of("a", "x"), of("b", "y"), nameless()}).Draw(t, "order")
		_, err := Merge(parts)
		require.ErrorIs(t, err, ErrForeignPart)
	})
}
