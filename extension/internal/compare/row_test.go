package compare

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// of is a proportion: hits of trials.
func of(hits, trials uint64) *interval.Proportion {
	return &interval.Proportion{Hits: hits, Trials: trials}
}

func TestRateRowMarks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		base, head *interval.Proportion
		direction  Direction
		want       Mark
	}{
		"the same counts are equal":            {of(99, 100), of(99, 100), HigherIsBetter, MarkEqual},
		"the same rate is equal":               {of(990, 1000), of(99, 100), HigherIsBetter, MarkEqual},
		"chance explains it":                   {of(990, 1000), of(985, 1000), HigherIsBetter, MarkNoise},
		"a fall is worse":                      {of(10000, 10000), of(9900, 10000), HigherIsBetter, MarkWorse},
		"a rise is better":                     {of(9900, 10000), of(10000, 10000), HigherIsBetter, MarkBetter},
		"a rise of what should be low":         {of(0, 10000), of(100, 10000), LowerIsBetter, MarkWorse},
		"a fall of what should be low":         {of(100, 10000), of(0, 10000), LowerIsBetter, MarkBetter},
		"neither good nor bad":                 {of(0, 10000), of(100, 10000), Neutral, MarkChanged},
		"only the head has it":                 {nil, of(1, 1), HigherIsBetter, MarkAppeared},
		"only the base has it":                 {of(1, 1), nil, HigherIsBetter, MarkVanished},
		"nothing was counted in the base":      {of(0, 0), of(1, 1), HigherIsBetter, MarkUnknown},
		"nothing was counted at all":           {of(0, 0), of(0, 0), HigherIsBetter, MarkUnknown},
		"one break in thousands is noise":      {of(0, 5000), of(1, 5000), LowerIsBetter, MarkNoise},
		"five breaks by Fisher are not enough": {of(0, 5000), of(5, 5000), LowerIsBetter, MarkNoise},
		"six breaks by Fisher are":             {of(0, 5000), of(6, 5000), LowerIsBetter, MarkWorse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, rateRow("row", c.base, c.head, 0.95, c.direction).Mark)
		})
	}
}

func TestRateRowSaysWhereFisherDecided(t *testing.T) {
	t.Parallel()
	row := rateRow("row", of(0, 5000), of(6, 5000), 0.95, LowerIsBetter)
	require.NotNil(t, row.Change.P)
	assert.InDelta(t, 0.0312, *row.Change.P, 1e-4) // 2 * (1/2)^6, less the finite sample
	assert.Nil(t, row.Change.Relative, "nothing is relative to zero")
	row = rateRow("row", of(500, 5000), of(600, 5000), 0.95, LowerIsBetter)
	assert.Nil(t, row.Change.P)
	assert.InDelta(t, 0.2, *row.Change.Relative, 1e-12)
}

// Two runs of the same system: how often does a table of many rows cry wolf?
func TestTablesOfEqualRunsRaiseFalseAlarmsRarely(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const runs, rows = 400, 20
	alarms := 0
	for range runs {
		alarm := false
		for range rows {
			var b, h interval.Proportion
			b.Trials, h.Trials = 2000, 2000
			for range 2000 {
				if random.Float64() < 0.97 {
					b.Hits++
				}
				if random.Float64() < 0.97 {
					h.Hits++
				}
			}
			alarm = alarm || rateRow("", &b, &h, jointLevel(rows), HigherIsBetter).Mark != MarkNoise &&
				b.Hits != h.Hits
		}
		if alarm {
			alarms++
		}
	}
	// 5 % of 400 is 20; 35 is three standard deviations more.
	assert.LessOrEqual(t, alarms, 35)
}

// values is an exact distribution: every bucket holds one value.
type values []float64

func (v values) count() uint64 { return uint64(len(v)) }

func (v values) at(rank uint64) (low, high float64) { return v[rank-1], v[rank-1] }

func drawn(random *rand.Rand, n int, scale float64) values {
	v := make(values, n)
	for i := range v {
		v[i] = random.ExpFloat64() * scale
	}
	slices.Sort(v)
	return v
}

func TestQuantileIntervalsCoverTheTruth(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	const truth = 2.995732273553991 // the 95th percentile of an exponential distribution: -ln 0.05
	const runs = 1000
	covered := 0
	for range runs {
		v, bounded := quantileValue(sample{distribution: drawn(random, 1000, 1)}, 0.95, 0.95)
		require.True(t, bounded)
		if v.Low <= truth && truth <= v.High {
			covered++
		}
	}
	// At least 95 % by construction; 0.929 is three standard deviations less.
	assert.GreaterOrEqual(t, float64(covered)/runs, 0.929)
}

func TestQuantileRowMarks(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	a, b := drawn(random, 5000, 10), drawn(random, 5000, 10)
	slow := drawn(random, 5000, 12)
	for name, c := range map[string]struct {
		base, head distribution
		want       Mark
	}{
		"the same values":          {a, a, MarkEqual},
		"the same distribution":    {a, b, MarkNoise},
		"a slower one":             {a, slow, MarkWorse},
		"a faster one":             {slow, a, MarkBetter},
		"too few to say":           {a, slow[:40], MarkUnknown},
		"nothing in the base":      {values{}, a, MarkAppeared},
		"nothing in the head":      {a, nil, MarkVanished},
		"nothing at all":           {nil, values{}, MarkUnknown},
		"one observation each way": {values{1}, values{2}, MarkUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, head := sample{distribution: c.base}, sample{distribution: c.head}
			assert.Equal(t, c.want, quantileRow("p95", base, head, 0.95, 0.99).Mark)
		})
	}
}

// Histograms hold whole microseconds: one more or less may be next to nothing.
func TestTheResolutionOfAHistogramIsNoDifference(t *testing.T) {
	t.Parallel()
	of := func(d time.Duration) sample {
		h := report.NewHistogram()
		for range 5000 {
			h.Record(d)
		}
		return sample{distribution: newBars(h)}
	}
	row := quantileRow("p50", of(6999*time.Nanosecond), of(7001*time.Nanosecond), 0.5, 0.95)
	assert.Equal(t, MarkNoise, row.Mark)
	assert.LessOrEqual(t, row.Change.Low, 0.000002)
	row = quantileRow("p50", of(6*time.Microsecond), of(9*time.Microsecond), 0.5, 0.95)
	assert.Equal(t, MarkWorse, row.Mark)
}
