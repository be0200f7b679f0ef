package compare

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// runnersOf are the reports of two runners without a source that sent a traffic,
// one attempt each in turn.
func runnersOf(list traffic) []*report.Report {
	var out []*report.Report
	for i := range 2 {
		run := testRun("runner-" + string(rune('1'+i)))
		run.Labels, run.Source = map[string]string{testLabel: "run"}, sourceNone
		b := report.NewBuilder(run, report.BuilderOptions{})
		b.SetPhases([]report.Phase{{Name: "baseline", Start: start(), End: start().Add(10 * time.Second)}})
		b.SetFaults([]report.Fault{{Phase: "baseline", Toxic: "t", Injected: uint64(i)}})
		b.SetSpans(report.Spans{Started: 5, Exported: 5})
		for n, o := range list {
			if n%2 != i {
				continue
			}
			r := o.Results[0]
			if r.Verdict != verdict.NotDelivered {
				r.Verdict = verdict.Undecided
			}
			o.Results, o.Edges, o.Services = []verdict.Result{r}, nil, nil
			b.Add(o)
		}
		out = append(out, b.Report(end(i)))
	}
	return out
}

// collectorParts judges a traffic on two shards of Collectors.
func collectorParts(t *rapid.T, list traffic) []*report.Report {
	parts := sharded(t, list, 2)
	for i, p := range parts {
		p.Run.Source = sourceCollector + string(rune('a'+i))
		p.Run.Plan, p.Run.Script, p.Run.ScriptHash, p.Phases = "", "", "", nil
	}
	return parts
}

func TestRunnersSayWhatWasSentAndCollectorsWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := drawTraffic(t)
		parts, runners := collectorParts(t, list), runnersOf(list)
		alone := merged(t, parts...)
		all := rapid.Permutation(append(parts, runners...)).Draw(t, "order")
		got := merged(t, all...)
		require.Equal(t, alone.Totals, got.Totals, "every attempt was judged")
		require.Equal(t, alone.Control, got.Control)
		requireSameSeries(t, alone, got)
		require.Equal(t, uint64(10), got.Spans.Started)
		require.Equal(t, runners[0].Phases, got.Phases)
		require.Equal(t, uint64(1), got.Faults[0].Injected)
		require.Empty(t, got.Warnings)
	})
}

func TestAttemptsThatNoCollectorJudgedAreUndecided(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := drawTraffic(t)
		cut := rapid.IntRange(0, len(list)).Draw(t, "judged")
		parts := collectorParts(t, list[:cut])
		alone := merged(t, parts...)
		got := merged(t, append(parts, runnersOf(list)...)...)
		require.Equal(t, uint64(len(list)), got.Totals.Attempts)
		require.Equal(t, alone.Totals.Held, got.Totals.Held)
		require.Equal(t, alone.Totals.Broken, got.Totals.Broken)
		lost := got.Totals.Verdicts["undecided"] - alone.Totals.Verdicts["undecided"] +
			got.Totals.Verdicts["not_delivered"] - alone.Totals.Verdicts["not_delivered"]
		require.Equal(t, uint64(len(list)-cut), lost)
		for _, dimension := range report.Dimensions() {
			var attempts uint64
			for _, row := range got.By[dimension] {
				attempts += row.Attempts
				require.Equal(t, row.Attempts, row.Duration.Count(), "%s %s", dimension, row.Key)
			}
			if len(got.By[dimension]) > 0 {
				require.Equal(t, uint64(len(list)), attempts, dimension)
			}
		}
		require.Equal(t, cut < len(list), strings.Contains(strings.Join(got.Warnings, "\n"),
			"were judged by no Collector"))
		require.NotEmpty(t, encoded(t, got))
	})
}

func TestARunnerThatDiedIsTold(t *testing.T) {
	t.Parallel()
	list := traffic{}
	for i := range 10 {
		list = append(list, attemptAt(uint64(i+1), float64(i), verdict.Continued))
	}
	parts := []*report.Report{shardPart(stretchOf("a", 1, 1, 0, 60), list...)}
	runners := runnersOf(list)

	got := merged(t, parts[0], runners[0])
	assert.Equal(t, map[string]uint64{"continued": 10}, got.Totals.Verdicts)
	assert.Contains(t, got.Warnings, "a runner has no report among the parts: the runners' reports "+
		"have 5 attempts, and Collectors judged 10; what was sent and not judged cannot be counted")

	runners[1].Warnings = []string{report.Unfinished}
	got = merged(t, parts[0], runners[0], runners[1])
	assert.Equal(t, map[string]uint64{"continued": 10}, got.Totals.Verdicts)
	assert.Contains(t, strings.Join(got.Warnings, "\n"), "a runner ended before its run did")
}

func TestReportsThatWouldCountAttemptsTwiceAreRefused(t *testing.T) {
	t.Parallel()
	collector := shardPart(stretchOf("a", 1, 1, 0, 60), attemptAt(1, 1, verdict.Continued))
	list := traffic{attemptAt(1, 1, verdict.Continued), attemptAt(2, 1, verdict.Continued)}
	runners := runnersOf(list)
	judging := runnersOf(list)[0]
	judging.Run.Source = "otlp"
	_, err := Merge([]*report.Report{collector, judging})
	require.ErrorIs(t, err, ErrForeignPart)
	require.ErrorContains(t, err, `report 2 judged its own attempts (source "otlp")`)

	both := merged(t, collector, runners[0])
	_, err = Merge([]*report.Report{both, runners[1]})
	require.ErrorIs(t, err, ErrForeignPart)
	require.ErrorContains(t, err, "report 1 is of runners and Collectors merged already")
}
