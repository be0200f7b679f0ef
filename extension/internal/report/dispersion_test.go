package report

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// broken is a minute of 100 attempts a second, of which some break: shared at a
// time with one fate, at a rate that may depend on the second.
func broken(random *rand.Rand, shared int, rate func(second int) float64) *Report {
	r := &Report{Series: Series{Start: start(), BucketSeconds: 1}}
	for second := range 60 {
		var b Bucket
		for range 100 / shared {
			if random.Float64() < rate(second) {
				b.Broken += uint64(shared)
			} else {
				b.Held += uint64(shared)
			}
		}
		r.Series.Buckets = append(r.Series.Buckets, b)
	}
	return r
}

func always(rate float64) func(int) float64 { return func(int) float64 { return rate } }

func TestDispersionIsOfBreaksThatComeTogether(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		for _, rate := range []float64{0, 0.0005, 0.01, 0.3, 1} {
			assert.InDelta(t, 1, broken(random, 1, always(rate)).Dispersion(), 0)
		}
		assert.InDelta(t, 10, broken(random, 10, always(0.1)).Dispersion(), 6)
	}
	bad := func(second int) float64 { return map[bool]float64{true: 0.5}[second/3 == 7] }
	assert.Greater(t, broken(random, 1, bad).Dispersion(), 10.0)
	assert.InDelta(t, 1, (&Report{}).Dispersion(), 0)
}

// A plan that breaks more in one phase than in another is no burst.
func TestDispersionKnowsPhases(t *testing.T) {
	t.Parallel()
	at := func(seconds float64) time.Time {
		return start().Add(time.Duration(seconds * float64(time.Second)))
	}
	fault := func(second int) float64 { return map[bool]float64{true: 0.5}[second >= 20 && second < 40] }
	r := broken(rand.New(rand.NewPCG(3, 4)), 1, fault)
	assert.Greater(t, r.Dispersion(), 10.0)
	r.Phases = []Phase{
		{Name: "calm", Start: at(0), End: at(19.5)},
		{Name: "fault", Start: at(19.5), End: at(40.2)},
		{Name: "recovery", Start: at(40.2)},
	}
	assert.InDelta(t, 1, r.Dispersion(), 0)
}
