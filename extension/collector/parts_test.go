package collector

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// TestAShardThatIsGoneIsTold: two shards, windows of 10 s, one attempt a second
// of which nothing arrives; the other shard has the restarted traces of half of
// them and is killed in the middle.
func TestAShardThatIsGoneIsTold(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"both live": false, "one is killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, begin := t.TempDir(), time.Unix(1_800_000_000, 0)
			a, b := newShard(dir, "a", begin.Add(-time.Hour)), newShard(dir, "b", begin.Add(-time.Hour))
			now := begin
			for second := range 200 {
				now = begin.Add(time.Duration(second) * time.Second)
				dead := killed && now.Sub(begin) > 105*time.Second
				to := []*shard{a, b}
				if dead {
					to = to[:1]
				}
				deliver(t, to, second, now)
				a.advance(now)
				if second%10 == 9 {
					a.write(t, now)
				}
				if dead {
					continue
				}
				b.advance(now)
				if second%10 == 9 {
					b.write(t, now)
				}
			}
			end := now.Add(time.Minute)
			a.advance(end)
			a.stop(t, end)
			if !killed {
				b.advance(end)
				b.stop(t, end)
			}
			r := merged(t, dir)
			got := r.Totals.Verdicts
			if !killed {
				assert.Equal(t, map[string]uint64{"missing": 100, "restarted": 100, "continued": 200}, got)
				assert.Empty(t, r.Warnings)
				return
			}
			// Its last part ends at 99 s, and the doubt begins 20 s before.
			assert.Equal(t, uint64(40), got["missing"], "of the time when both were there")
			assert.Equal(t, uint64(200-40), got["undecided"]+got["restarted"])
			assert.Positive(t, got["undecided"])
			assert.Contains(t, strings.Join(r.Warnings, "\n"), "b has no part after")
		})
	}
}

// deliver gives the first shard an attempt that nothing answers, and the second,
// if it lives, the SERVER span that every other one of them restarted as, with
// an attempt of its own.
func deliver(t *testing.T, shards []*shard, second int, now time.Time) {
	t.Helper()
	load := newTraffic(uint64(second), now.UnixNano()-int64(time.Second))
	fate := "missing"
	if second%2 == 0 {
		fate = "restarted"
	}
	load.operation("baseline", fate)
	other := newTraffic(uint64(second)+1000, now.UnixNano()-int64(time.Second))
	other.operation("baseline", "continued")
	for _, s := range load.spans {
		if isLoad(s) {
			require.NoError(t, shards[0].intake.take(batch(s), now))
		} else {
			other.spans = append(other.spans, s)
		}
	}
	for _, b := range shards[1:] {
		require.NoError(t, b.intake.take(batch(other.spans...), now))
	}
}

func TestATestThatIsOverHasAFinalPartAndNoMore(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	s := newShard(dir, "a", now.Add(-time.Hour))
	load := newTraffic(1, now.UnixNano())
	load.operation("baseline", "missing")
	require.NoError(t, s.intake.take(batch(load.spans...), now))
	for range 12 {
		now = now.Add(10 * time.Second)
		s.advance(now)
		s.write(t, now)
	}
	r := merged(t, dir)
	require.Len(t, r.Partial.Shards, 1)
	shard := r.Partial.Shards[0]
	assert.True(t, shard.Final)
	assert.False(t, shard.Stopped)
	assert.Equal(t, uint64(3), shard.Last-shard.First+1, "parts: one with it, and two until it was over")
	assert.Equal(t, map[string]uint64{"missing": 1}, r.Totals.Verdicts)
	assert.Empty(t, r.Warnings)
}

// settle has a shard settle and write for some windows of 10 s.
func settle(t *testing.T, s *shard, windows int, now time.Time) time.Time {
	t.Helper()
	for range windows {
		now = now.Add(10 * time.Second)
		s.advance(now)
		s.write(t, now)
	}
	return now
}

// TestClaimsOfATestThatIsOverHereAreKeptForIt: the claim on an attempt of the
// first test comes when this shard has only the second one under way.
func TestClaimsOfATestThatIsOverHereAreKeptForIt(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	a, b := newShard(dir, "a", now.Add(-time.Hour)), newShard(dir, "b", now.Add(-time.Hour))
	first := newTraffic(1, now.UnixNano())
	first.operation("baseline", "continued")
	require.NoError(t, b.intake.take(batch(first.spans...), now))
	settle(t, a, 5, now)
	now = settle(t, b, 5, now)

	late := newTraffic(2, now.UnixNano())
	late.operation("baseline", "restarted")
	second := newTraffic(3, now.UnixNano())
	second.operation("baseline", "continued")
	for _, s := range late.spans {
		if isLoad(s) {
			require.NoError(t, a.intake.take(batch(s), now))
		} else {
			require.NoError(t, b.intake.take(batch(s), now))
		}
	}
	require.NoError(t, b.intake.take(batchOf("weekly", second.spans...), now))
	settle(t, a, 5, now)
	settle(t, b, 5, now)

	of, others := compare.OfTest(partsOf(t, dir), "nightly")
	assert.Positive(t, others)
	r, err := compare.Merge(of)
	require.NoError(t, err)
	assert.Equal(t, map[string]uint64{"continued": 1, "restarted": 1}, r.Totals.Verdicts)
}

// TestTheLedgerOfSpansIsInTheMergeOfEveryTest and counts every span once, also
// when a part could not be written.
func TestTheLedgerOfSpansIsInTheMergeOfEveryTest(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	s := newShard(dir, "a", now.Add(-time.Hour))
	for seed, test := range []string{"nightly", "weekly"} {
		load := newTraffic(uint64(seed), now.UnixNano())
		load.operation("baseline", "continued")
		require.NoError(t, s.intake.take(batchOf(test, load.spans...), now))
		now = now.Add(10 * time.Second)
		s.advance(now)
		if test == "nightly" {
			spans := report.Spans{Received: s.intake.store.Stats().Spans}
			s.parts.config.Directory = filepath.Join(dir, "is not there")
			require.Error(t, s.parts.write(spans, false, now))
			s.parts.config.Directory = dir
		}
	}
	received := s.intake.store.Stats().Spans
	settle(t, s, 3, now)
	for _, test := range []string{"nightly", "weekly"} {
		of, _ := compare.OfTest(partsOf(t, dir), test)
		r, err := compare.Merge(of)
		require.NoError(t, err)
		assert.Equal(t, uint64(1), r.Totals.Attempts)
		assert.Equal(t, received, r.Spans.Received, test)
		assert.Equal(t, test, r.Run.ID)
	}
}

func TestACollectorDoesNotWriteOverThePartsOfAnother(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	for seed := range 2 { // of one name, in the same second
		s := newShard(dir, "a", now.Add(time.Duration(seed)))
		load := newTraffic(uint64(seed), now.Add(time.Minute).UnixNano())
		load.operation("baseline", "continued")
		require.NoError(t, s.intake.take(batch(load.spans...), now))
		s.advance(now.Add(time.Minute))
		s.stop(t, now.Add(2*time.Minute))
	}
	assert.Equal(t, uint64(2), merged(t, dir).Totals.Attempts)
}
