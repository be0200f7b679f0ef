package collector

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// TestRealCollectors runs what `make collector` built with the example
// configurations: two shards must find what one Collector finds.
//
//nolint:paralleltest // processes, for half a minute
func TestRealCollectors(t *testing.T) {
	b := findBinaries(t)
	f := startFleet(t, b, "--drop-context", "0.05", "--duplicate", "0.05", "--drop-spans", "0.03")
	f.load(b, 6*time.Second)
	f.finish()

	want, got := merged(t, f.single()), merged(t, f.parts())
	table(t, "two shards, merged", want, got)
	assert.Equal(t, want.Totals, got.Totals)
	assert.Equal(t, verdicts(want), verdicts(got))
	assert.Equal(t, want.Control, got.Control)
	assert.Equal(t, overTime(want), overTime(got))
	assert.Equal(t, distributions(want), distributions(got))
	for _, name := range []string{"continued", "duplicated", "restarted"} {
		assert.Positive(t, got.Totals.Verdicts[name], name)
	}
	assert.Positive(t, got.Control.Injected, "stripped by the toxic")
	assert.Equal(t, got.Control.Injected, got.Control.Detected)
	assert.Len(t, got.Partial.Shards, 2, "both shards judged")

	requireOneDriver(t, f.sent())
	all := f.merge(b)
	sent := mergeAll(t, f.sent())
	assert.Equal(t, sent.Totals.Attempts, all.Totals.Attempts, "attempts that the k6 processes sent")
	assert.Equal(t, got.Totals, all.Totals, "every one of them was judged")
	assert.Equal(t, sent.Faults, all.Faults)
	assert.Equal(t, sent.Spans.Started, sent.Spans.Exported, "spans of the load that did not arrive")
	assert.Empty(t, all.Warnings)
	assert.Equal(t, "1, 2", all.Run.Labels["instance_id"])
	assert.Equal(t, "nightly", all.Run.Labels["testrun_name"])
}

// requireOneDriver: of the runners that share the toxiproxy one at a time puts the
// toxics in and counts what they did (the other one goes on when its load has ended
// first); all of them saw it.
func requireOneDriver(t *testing.T, runners []*report.Report) {
	t.Helper()
	require.Len(t, runners, 2)
	var injected, seen uint64
	for _, r := range runners {
		for _, fault := range r.Faults {
			injected += fault.Injected
		}
		for _, mark := range r.Seen {
			seen += mark.Count
		}
		assert.Positive(t, r.Totals.Attempts)
		assert.Len(t, r.Phases, 1, "the plan's phases are labelled by both")
	}
	assert.Positive(t, injected)
	assert.Equal(t, seen, injected, "every toxic is counted by one runner")
}

// TestRealShardIsKilled: what a shard that was killed may have seen is undecided,
// and what it never reported is counted. No attempt is missing in truth.
//
//nolint:paralleltest // processes, for half a minute
func TestRealShardIsKilled(t *testing.T) {
	b := findBinaries(t)
	f := startFleet(t, b, "--drop-context", "0.1")
	f.load(b, 10*time.Second)
	<-time.After(6 * time.Second)
	f.shards[1].kill(t)
	f.finish()

	truth, got := merged(t, f.single()), f.merge(b)
	table(t, "two, one killed", truth, got)
	assert.Zero(t, truth.Totals.Verdicts["missing"])
	assert.Equal(t, truth.Totals.Attempts, got.Totals.Attempts, "no attempt is left out")
	assert.Zero(t, got.Totals.Verdicts["missing"], "what a dead shard knew is undecided")
	assert.Positive(t, got.Totals.Verdicts["undecided"])
	for _, name := range []string{"continued", "restarted"} {
		assert.Positive(t, got.Totals.Verdicts[name])
		assert.Less(t, got.Totals.Verdicts[name], truth.Totals.Verdicts[name], name)
	}
	all := strings.Join(got.Warnings, "\n")
	assert.Contains(t, all, "shards: ")
	assert.Contains(t, all, "were judged by no Collector")
}

// TestRealRunnerIsKilled: the other runner takes the faults over, what the dead
// one sent is judged as far as its spans came, and the report says so.
//
//nolint:paralleltest // processes, for half a minute
func TestRealRunnerIsKilled(t *testing.T) {
	b := findBinaries(t)
	f := startFleet(t, b)
	f.load(b, 10*time.Second)
	<-time.After(4 * time.Second)
	f.runners[0].kill(t)
	f.finish()

	truth, got := merged(t, f.single()), f.merge(b)
	table(t, "a runner killed", truth, got)
	assert.Equal(t, truth.Totals, got.Totals)
	assert.Greater(t, got.Totals.Attempts, mergeAll(t, f.sent()).Totals.Attempts)
	assert.Zero(t, got.Totals.Verdicts["missing"])
	assert.Contains(t, strings.Join(got.Warnings, "\n"), "a runner has no report among the parts")
}

// TestRealRingChanges: a third shard takes the place of the second one in the
// middle. Traces are torn apart then, and what came too late for its place is
// undecided.
//
//nolint:paralleltest // processes, for half a minute
func TestRealRingChanges(t *testing.T) {
	b := findBinaries(t)
	f := startFleet(t, b, "--drop-context", "0.1")
	f.load(b, 10*time.Second)
	<-time.After(5 * time.Second)
	f.balance(b, f.ring[0], f.shard(b))
	f.finish()

	truth, got := merged(t, f.single()), f.merge(b)
	table(t, "a ring that changed", truth, got)
	assert.Equal(t, mergeAll(t, f.sent()).Totals.Attempts, got.Totals.Attempts)
	assert.LessOrEqual(t, got.Totals.Verdicts["missing"], truth.Totals.Verdicts["missing"],
		"what another shard may have seen is undecided")
	assert.Len(t, got.Partial.Shards, 3)
	assert.Contains(t, strings.Join(got.Warnings, "\n"), "shards: shard-3 joined at")
}
