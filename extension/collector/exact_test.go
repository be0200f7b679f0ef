package collector

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// shard is the connector's inside with a clock of the test's.
type shard struct {
	intake *intake
	parts  *parts
}

func newShard(dir, instance string, now time.Time) *shard {
	c := Config{
		Directory: dir, Settle: 10 * time.Second, Linger: time.Second, MaxTraces: 1 << 20,
		MaxWaiting: 1 << 20, Window: time.Second,
	}
	return &shard{intake: newIntake(c, now), parts: newParts(c, instance, now)}
}

func (s *shard) advance(now time.Time) {
	for _, t := range s.intake.advance(now) {
		s.parts.add(t, now)
	}
	s.parts.claim(s.intake.takeClaims())
}

// write ends a window, and stop the last one.
func (s *shard) write(t require.TestingT, now time.Time) { s.end(t, false, now) }
func (s *shard) stop(t require.TestingT, now time.Time)  { s.end(t, true, now) }

func (s *shard) end(t require.TestingT, stopped bool, now time.Time) {
	stats := s.intake.store.Stats()
	spans := report.Spans{Received: stats.Spans, Foreign: stats.Foreign}
	require.NoError(t, s.parts.write(spans, stopped, now))
}

// merged merges the partial reports of a directory, in the form in which they
// were written.
func merged(t require.TestingT, dir string) *report.Report {
	out, err := compare.Merge(partsOf(t, dir))
	require.NoError(t, err)
	require.NoError(t, report.WriteJSON(io.Discard, out))
	return out
}

func partsOf(t require.TestingT, dir string) []*report.Report {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []*report.Report
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		r, err := report.ReadJSON(bytes.NewReader(data))
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

// verdicts are the counts of a report, by dimension and row.
func verdicts(r *report.Report) map[string]map[string]uint64 {
	out := map[string]map[string]uint64{"totals": r.Totals.Verdicts}
	for _, dimension := range []string{"phase", "name", "attempt", "scenario", "service"} {
		for _, row := range r.By[dimension] {
			out[dimension+" "+row.Key] = row.Verdicts
		}
	}
	return out
}

// overTime is the series of a report, by second, as text.
func overTime(r *report.Report) map[int64]string {
	out := make(map[int64]string)
	for i, b := range r.Series.Buckets {
		if b.Attempts > 0 {
			second := r.Series.Start.Unix() + int64(i*r.Series.BucketSeconds)
			out[second] = fmt.Sprintf("%d attempts, %d held, %d broken, %d errors, %v",
				b.Attempts, b.Held, b.Broken, b.Errors, b.Duration.Bars())
		}
	}
	return out
}

// distributions are the histograms of a report, the tables' too. How long traces
// took to settle depends on when their spans came, and is left out.
func distributions(r *report.Report) map[string][]report.Bar {
	out := make(map[string][]report.Bar)
	for name, h := range r.Histograms {
		if name != "settle_ms" {
			out[name] = h.Bars()
		}
	}
	for dimension, rows := range r.By {
		for i := range rows {
			out[dimension+" "+rows[i].Key] = rows[i].Duration.Bars()
		}
	}
	return out
}

// TestTwoShardsMergeToWhatOneProcessFinds: the same spans, cut into batches at
// any place and delivered in any order within the settle time, some of them
// twice, once to one process and once by trace id to two shards with windows of
// their own.
func TestTwoShardsMergeToWhatOneProcessFinds(t *testing.T) {
	t.Parallel()
	root, run := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(root, strconv.Itoa(run))
		require.NoError(t, os.Mkdir(dir, 0o700))
		singleDir, shardsDir := filepath.Join(dir, "single"), filepath.Join(dir, "shards")
		require.NoError(t, os.Mkdir(singleDir, 0o700))
		require.NoError(t, os.Mkdir(shardsDir, 0o700))
		now := time.Unix(1_800_000_000, 0)
		single := newShard(singleDir, "single", now)
		shards := []*shard{newShard(shardsDir, "a", now), newShard(shardsDir, "b", now)}

		load := newTraffic(rapid.Uint64().Draw(t, "seed"), now.UnixNano())
		attempts := 0
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			fate := rapid.SliceOfN(rapid.SampledFrom(fates), 1, 3).Draw(t, "fates")
			load.operation(rapid.SampledFrom([]string{"baseline", "503s"}).Draw(t, "phase"), fate...)
			attempts += len(fate)
		}
		spans := load.spans
		load.random.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		for begin := 0; begin < len(spans); {
			end := min(len(spans), begin+rapid.IntRange(1, 40).Draw(t, "batch"))
			deliver := func(part ...spanData) {
				require.NoError(t, single.intake.take(batch(part...), now))
				for _, s := range part {
					require.NoError(t, shards[s.trace[0]%2].intake.take(batch(s), now))
				}
			}
			deliver(spans[begin:end]...)
			if rapid.Bool().Draw(t, "again") {
				deliver(spans[begin:end]...)
			}
			begin = end
			now = now.Add(10 * time.Millisecond)
			if rapid.IntRange(0, 9).Draw(t, "window") == 0 {
				shards[0].write(t, now)
			}
		}
		for range 30 {
			now = now.Add(time.Second)
			single.advance(now)
			for _, s := range shards {
				s.advance(now)
			}
		}
		single.stop(t, now)
		for _, s := range shards {
			s.stop(t, now)
		}
		want, got := merged(t, singleDir), merged(t, shardsDir)
		require.Equal(t, uint64(attempts), want.Totals.Attempts)
		require.Equal(t, verdicts(want), verdicts(got))
		require.Equal(t, want.Control, got.Control)
		require.Equal(t, want.Totals, got.Totals)
		require.Equal(t, overTime(want), overTime(got))
		require.Equal(t, distributions(want), distributions(got))
		require.Empty(t, got.Warnings)
	})
}

// TestVerdictsOfEachFate holds the single process itself to the truth.
func TestVerdictsOfEachFate(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"continued": "continued", "restarted": "restarted", "stripped": "restarted",
		"duplicated": "duplicated", "missing": "missing", "aborted": "not_delivered",
		"not sent": "not_delivered", "failed": "undecided", "reparented": "reparented",
		"span lost": "span_lost", "failed and restarted": "restarted",
	}
	for _, fate := range fates {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
			s := newShard(dir, "one", now)
			load := newTraffic(1, now.UnixNano())
			load.operation("baseline", fate)
			require.NoError(t, s.intake.take(batch(load.spans...), now))
			for range 20 {
				now = now.Add(time.Second)
				s.advance(now)
			}
			s.stop(t, now)
			r := merged(t, dir)
			assert.Equal(t, map[string]uint64{want[fate]: 1}, r.Totals.Verdicts)
			assert.Equal(t, "nightly", r.Run.Labels["testid"])
			assert.Equal(t, "GET /products", r.By["name"][0].Key)
		})
	}
}
