package report

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// timed is a run of so many seconds with 100 attempts each, whose durations are those of
// an exponential distribution times a factor of the second.
func timed(random *rand.Rand, seconds int, factor func(second int) float64) *Report {
	r := &Report{Series: Series{Start: start(), BucketSeconds: 1}}
	for second := range seconds {
		b, f := Bucket{Duration: newCoarse()}, factor(second)
		for range 100 {
			b.Duration.Record(time.Duration(f * random.ExpFloat64() * float64(time.Millisecond)))
		}
		r.Series.Buckets = append(r.Series.Buckets, b)
	}
	return r
}

func TestDurationsOfLikeSecondsAreIndependent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	sum, runs := 0.0, 200
	for range runs {
		for _, s := range timed(random, 60, always(1)).DurationSpreads(0.5, 0.95) {
			assert.Less(t, s.Dispersion, 4.0)
			assert.GreaterOrEqual(t, s.Free, 8.0)
			sum += s.Dispersion / 2
		}
	}
	assert.InDelta(t, 1.2, sum/float64(runs), 0.2, "the most uneven of a few is above 1")
}

func TestSlowSecondsAreKnown(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	spread := func(factor func(int) float64) float64 {
		return timed(random, 64, factor).DurationSpreads(0.5)[0].Dispersion
	}
	each := func(int) float64 { return math.Exp(random.NormFloat64() / 2) }
	assert.Greater(t, spread(each), 5.0)
	last := 1.0
	eight := func(second int) float64 { // that are slow together
		if second%8 == 0 {
			last = each(0)
		}
		return last
	}
	assert.Greater(t, spread(eight), 20.0, "more than of single seconds")
}

// One second ran into a timeout, which all of its attempts have in common: all that is
// above the quantile is one bar.
func TestASecondOfTimeoutsIsKnown(t *testing.T) {
	t.Parallel()
	r := timed(rand.New(rand.NewPCG(11, 12)), 60, func(second int) float64 {
		if second == 30 {
			return 0
		}
		return 1
	})
	stalled := r.Series.Buckets[30].Duration
	*stalled = *newCoarse()
	for range 100 {
		stalled.Record(time.Minute)
	}
	for _, s := range r.DurationSpreads(0.99, 0.999) {
		assert.Greater(t, s.Dispersion, 50.0)
	}
}

// A plan that makes one phase slow is no unevenness.
func TestSpreadsKnowPhases(t *testing.T) {
	t.Parallel()
	r := timed(rand.New(rand.NewPCG(5, 6)), 60, func(second int) float64 { return 1 + float64(second/30) })
	assert.Greater(t, r.DurationSpreads(0.5)[0].Dispersion, 5.0)
	half := start().Add(30 * time.Second)
	r.Phases = []Phase{{Name: "a", Start: start(), End: half}, {Name: "b", Start: half}}
	assert.Less(t, r.DurationSpreads(0.5)[0].Dispersion, 3.0)
}

// A comparison is the same whenever it is made.
func TestSpreadsDoNotDependOnTheOrderOfPhases(t *testing.T) {
	t.Parallel()
	r := timed(rand.New(rand.NewPCG(9, 10)), 600, always(1))
	for second := 0; second < 600; second += 10 {
		begin := start().Add(time.Duration(second) * time.Second)
		r.Phases = append(r.Phases, Phase{Start: begin, End: begin.Add(10 * time.Second)})
	}
	first := r.DurationSpreads(0.5)
	for range 50 {
		assert.Equal(t, first, r.DurationSpreads(0.5))
	}
}

func TestNothingIsKnownOfTheSpreadWithoutATimeline(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	for name, r := range map[string]*Report{
		"no buckets": {}, "one second": timed(random, 1, always(1)),
		"no durations": {Series: Series{Start: start(), Buckets: make([]Bucket, 3)}},
		"all equal":    timed(random, 10, always(0)),
	} {
		assert.Zero(t, r.DurationSpreads(0.5)[0], name)
	}
}
