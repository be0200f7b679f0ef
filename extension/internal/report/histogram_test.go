package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRankIsTheSmallestThatCoversTheShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n    uint64
		q    float64
		want uint64
	}{{1, 0.5, 1}, {2, 0.5, 1}, {3, 0.5, 2}, {100, 0.95, 95}, {101, 0.95, 96}, {1000, 0.999, 999}, {10, 1, 10}} {
		assert.Equal(t, c.want, Rank(c.n, c.q), "%d at %v", c.n, c.q)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 1<<40).Draw(t, "n")
		rank := Rank(n, rapid.Float64Range(0, 1).Draw(t, "q"))
		assert.True(t, rank >= 1 && rank <= n)
	})
}

// The quantiles of a histogram are those of the observations, within half a
// bucket: 1/256 of the value in the tables, 1/32 in the series.
func TestQuantilesAreThoseOfTheObservations(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		fine, coarse := NewHistogram(), newCoarse()
		list := make([]float64, 1+random.IntN(400))
		for i := range list {
			list[i] = math.Trunc(20_000*math.Exp(random.NormFloat64())) / 1000
			d := time.Duration(math.Round(list[i] * float64(time.Millisecond)))
			fine.Record(d)
			coarse.Record(d)
		}
		slices.Sort(list)
		for _, q := range []float64{0.5, 0.95, 0.99, 1} {
			want := list[Rank(uint64(len(list)), q)-1]
			require.InEpsilon(t, want, fine.Quantile(q), 1.0/256, "%v of %d", q, len(list))
			require.InEpsilon(t, want, coarse.Quantile(q), 1.0/32, "%v of %d", q, len(list))
		}
	}
}

func TestTheTimelineRoundsNoBreakAway(t *testing.T) {
	t.Parallel()
	rare := Bucket{Attempts: 1_000_000, Held: 999_999, Broken: 1}
	line := newTimeline(&Report{Series: Series{BucketSeconds: 3600, Buckets: []Bucket{rare}}})
	assert.InDelta(t, 99.999, *line.Continuity[0], 1e-9)
	assert.Positive(t, *line.Broken[0])
	rare.Held, rare.Broken = 1_000_000, 0
	line = newTimeline(&Report{Series: Series{BucketSeconds: 3600, Buckets: []Bucket{rare}}})
	assert.InDelta(t, 100, *line.Continuity[0], 0)
	assert.Zero(t, *line.Broken[0])
}
