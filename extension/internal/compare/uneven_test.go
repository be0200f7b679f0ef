package compare

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// machine is a run of half a minute on a machine that has other things to do: each second
// has a speed of its own.
func machine(tb testing.TB, random *rand.Rand, uneven, slower float64) *side {
	tb.Helper()
	all := report.NewHistogram()
	r := &report.Report{
		Series:     report.Series{Start: time.Unix(0, 0), BucketSeconds: 1},
		Histograms: map[string]*report.Histogram{histDuration: all},
	}
	for range 30 {
		speed := slower * math.Exp(uneven*random.NormFloat64())
		b := report.Bucket{Duration: report.NewHistogram()}
		for range 200 {
			b.Duration.Record(time.Duration(speed * (1 + random.ExpFloat64()) * float64(time.Millisecond)))
		}
		require.NoError(tb, all.Merge(b.Duration))
		r.Series.Buckets = append(r.Series.Buckets, b)
	}
	s := newSide(r, "run")
	return &s
}

// changed is the share of pairs of which a duration is said to have changed.
func changed(tb testing.TB, uneven, slower float64, forget bool) float64 { //nolint:revive // the run's timeline
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	const pairs = 200
	n := 0.0
	for range pairs {
		base, head := machine(tb, random, uneven, 1), machine(tb, random, uneven, slower)
		if forget {
			base.report.Series, head.report.Series = report.Series{}, report.Series{}
		}
		for _, row := range latency(base, head).Rows {
			if row.Mark == MarkWorse || row.Mark == MarkBetter {
				n++
				break
			}
		}
	}
	return n / pairs
}

// TestSlowSecondsAreNoDifference: durations of equal runs are seldom said to differ,
// however uneven the machine was, and those of unequal ones still are.
func TestSlowSecondsAreNoDifference(t *testing.T) {
	t.Parallel()
	for _, uneven := range []float64{0, 0.1, 0.3} {
		assert.LessOrEqual(t, changed(t, uneven, 1, false), 0.05, uneven)
	}
	assert.Greater(t, changed(t, 0.3, 1, true), 0.5, "taken as independent")
	assert.Greater(t, changed(t, 0, 1.1, false), 0.9)
	assert.Greater(t, changed(t, 0.1, 1.3, false), 0.9)
}

// TestSpansThatComeTogetherAreOne: how long was waited for spans depends on when services
// export, which is the same for all of a moment.
func TestSpansThatComeTogetherAreOne(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	waited := func(phase time.Duration) *side {
		s := machine(t, random, 0, 1)
		h := report.NewHistogram()
		for i := range 6000 {
			h.Record(phase + time.Duration(i)*time.Second/6000)
		}
		s.report.Histograms[histSettle] = h
		s.histograms[histSettle] = newBars(h)
		return s
	}
	marks := func(base, head *side) (list []Mark) {
		for _, row := range latency(base, head).Rows {
			if row.Name == "p50."+histSettle || row.Name == "p50."+histDuration {
				list = append(list, row.Mark)
			}
		}
		return list
	}
	base := waited(time.Second)
	assert.Equal(t, []Mark{MarkNoise, MarkNoise}, marks(base, waited(1050*time.Millisecond)))
	calm, calmToo := waited(time.Second), waited(1200*time.Millisecond) // for most of the time
	for _, s := range []*side{calm, calmToo} {
		s.report.Series.Buckets = append(s.report.Series.Buckets, make([]report.Bucket, 1700)...)
	}
	assert.Equal(t, []Mark{MarkNoise, MarkNoise}, marks(calm, calmToo), "seconds without attempts")
	assert.Equal(t, []Mark{MarkNoise, MarkWorse}, marks(base, waited(2*time.Second)))
}
