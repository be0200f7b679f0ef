package collector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// isLoad picks the load's own spans of a traffic.
func isLoad(s spanData) bool { return s.service == "k6" }

func settleAll(t *testing.T, now time.Time, shards ...*shard) {
	t.Helper()
	for range 30 {
		now = now.Add(time.Second)
		for _, s := range shards {
			s.advance(now)
		}
	}
	for _, s := range shards {
		s.stop(t, now)
	}
}

func TestATraceThatTheBalancerSplitIsUndecided(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	a, b := newShard(dir, "a", now), newShard(dir, "b", now)
	load := newTraffic(1, now.UnixNano())
	for range 5 {
		load.operation("baseline", "continued")
	}
	for _, s := range load.spans { // the ring changed between the load's spans and the services'
		to := b
		if isLoad(s) {
			to = a
		}
		require.NoError(t, to.intake.take(batch(s), now))
	}
	settleAll(t, now, a, b)
	r := merged(t, dir)
	assert.Equal(t, map[string]uint64{"undecided": 5}, r.Totals.Verdicts)
	assert.Zero(t, r.Totals.Broken)
	assert.Zero(t, r.Control.FalseBreak)
}

func TestAShardThatWasReplacedDoubtsTheAttemptsFromBefore(t *testing.T) {
	t.Parallel()
	dir, begin := t.TempDir(), time.Unix(1_800_000_000, 0)
	load := newTraffic(1, begin.UnixNano())
	load.operation("baseline", "missing")
	started := begin.Add(5 * time.Second)
	later := newTraffic(2, started.Add(time.Minute).UnixNano())
	later.operation("baseline", "missing")
	s := newShard(dir, "new", started)
	require.NoError(t, s.intake.take(batch(append(load.spans, later.spans...)...), started))
	settleAll(t, started, s)
	assert.Equal(t, map[string]uint64{"undecided": 1, "missing": 1}, merged(t, dir).Totals.Verdicts)
}

func TestWhatWasDroppedForWantOfRoomIsUndecidedAndCounted(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	s := newShard(dir, "small", now)
	s.intake.config.MaxWaiting = 4
	load := newTraffic(1, now.UnixNano())
	for range 10 {
		load.operation("baseline", "continued")
	}
	for _, wanted := range []bool{false, true} { // the services' spans first
		for _, one := range load.spans {
			if isLoad(one) == wanted {
				require.NoError(t, s.intake.take(batch(one), now))
			}
		}
	}
	assert.LessOrEqual(t, s.intake.waiting.spans, 4)
	assert.Positive(t, s.intake.lost)
	settleAll(t, now, s)
	r := merged(t, dir)
	assert.Equal(t, uint64(10), r.Totals.Attempts)
	assert.Positive(t, r.Totals.Verdicts["undecided"])
	assert.Zero(t, r.Totals.Broken, "%v", r.Totals.Verdicts)
}

func TestWhatWasDueWhenTheCollectorStoppedIsUndecided(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	s := newShard(dir, "a", now)
	load := newTraffic(1, now.UnixNano())
	load.operation("baseline", "continued")
	load.operation("baseline", "missing")
	require.NoError(t, s.intake.take(batch(load.spans...), now))
	for _, trace := range s.intake.drain("stopped", now) {
		s.parts.add(trace, now)
	}
	s.stop(t, now)
	assert.Equal(t, map[string]uint64{"continued": 1, "undecided": 1}, merged(t, dir).Totals.Verdicts)
}

// TestAnAttemptThatComesLaterStillFindsItsSpans: the load exports the attempts
// of one operation in batches of their own, and the first one is complete long
// before the second one comes.
func TestAnAttemptThatComesLaterStillFindsItsSpans(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	s := newShard(dir, "a", now)
	load := newTraffic(1, now.UnixNano())
	load.operation("baseline", "aborted", "continued")
	for _, one := range load.spans {
		if one.kind == ptrace.SpanKindClient && isLoad(one) {
			now = now.Add(5 * time.Second)
			s.advance(now)
		}
		require.NoError(t, s.intake.take(batch(one), now))
	}
	settleAll(t, now, s)
	r := merged(t, dir)
	assert.Equal(t, map[string]uint64{"continued": 1, "not_delivered": 1}, r.Totals.Verdicts)
	assert.Equal(t, uint64(1), r.Totals.Retries)
}
