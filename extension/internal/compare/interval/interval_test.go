package interval_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
)

type proportion = interval.Proportion

// Newcombe 1998, Statistics in Medicine 17:857-872, table I: four data sets,
// methods 3 (Wilson score) and 5 (Clopper-Pearson exact), 95 %.
func TestSingleProportionMatchesNewcombesTableI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p             proportion
		wilson, exact interval.Interval
	}{
		{proportion{81, 263}, interval.Interval{Low: 0.2553, High: 0.3662}, interval.Interval{Low: 0.2527, High: 0.3676}},
		{proportion{15, 148}, interval.Interval{Low: 0.0624, High: 0.1605}, interval.Interval{Low: 0.0578, High: 0.1617}},
		{proportion{0, 20}, interval.Interval{Low: 0, High: 0.1611}, interval.Interval{Low: 0, High: 0.1684}},
		{proportion{1, 29}, interval.Interval{Low: 0.0061, High: 0.1718}, interval.Interval{Low: 0.0009, High: 0.1776}},
	} {
		t.Run(fmt.Sprintf("%d of %d", c.p.Hits, c.p.Trials), func(t *testing.T) {
			t.Parallel()
			near(t, c.wilson, interval.Wilson(c.p, 0.95))
			near(t, c.exact, interval.ClopperPearson(c.p, 0.95))
		})
	}
}

// Newcombe 1998, Statistics in Medicine 17:873-890, table II: contrasts (a) to
// (h), method 10, 95 %.
func TestDifferenceMatchesNewcombesTableII(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head, base proportion
		want       interval.Interval
	}{
		"a": {proportion{56, 70}, proportion{48, 80}, interval.Interval{Low: 0.0524, High: 0.3339}},
		"b": {proportion{9, 10}, proportion{3, 10}, interval.Interval{Low: 0.1705, High: 0.8090}},
		"c": {proportion{6, 7}, proportion{2, 7}, interval.Interval{Low: 0.0582, High: 0.8062}},
		"d": {proportion{5, 56}, proportion{0, 29}, interval.Interval{Low: -0.0381, High: 0.1926}},
		"e": {proportion{0, 10}, proportion{0, 20}, interval.Interval{Low: -0.1611, High: 0.2775}},
		"f": {proportion{0, 10}, proportion{0, 10}, interval.Interval{Low: -0.2775, High: 0.2775}},
		"g": {proportion{10, 10}, proportion{0, 20}, interval.Interval{Low: 0.6791, High: 1}},
		"h": {proportion{10, 10}, proportion{0, 10}, interval.Interval{Low: 0.6075, High: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near(t, c.want, interval.Newcombe(c.head, c.base, 0.95))
		})
	}
}

// R's documentation of fisher.test: Agresti's tea tasting (p = 0.4857) and
// Fisher's convictions of like-sex twins (p = 0.0005367).
func TestFisherMatchesPublishedExamples(t *testing.T) {
	t.Parallel()
	assert.InDelta(t, 0.4857, interval.Fisher(proportion{3, 4}, proportion{1, 4}), 5e-5)
	assert.InDelta(t, 0.0005367, interval.Fisher(proportion{2, 17}, proportion{10, 13}), 5e-8)
	assert.InDelta(t, 0.0005367, interval.Fisher(proportion{10, 13}, proportion{2, 17}), 5e-8,
		"the order of the groups does not matter")
	assert.InDelta(t, 1, interval.Fisher(proportion{0, 5}, proportion{0, 9}), 1e-12)
	assert.InDelta(t, 1, interval.Fisher(proportion{5, 5}, proportion{9, 9}), 1e-12)
}

// Conover, Practical Nonparametric Statistics, and any table of confidence
// intervals for the median (the sign test's critical values): the ranks that
// enclose the median with at least 95 %.
func TestRanksMatchTheTableForMedians(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64][2]uint64{
		6: {1, 6}, 8: {1, 8}, 9: {2, 8}, 10: {2, 9}, 12: {3, 10}, 15: {4, 12},
		20: {6, 15}, 25: {8, 18}, 30: {10, 21}, 40: {14, 27}, 50: {18, 33}, 100: {40, 61},
	} {
		low, high, ok := interval.Ranks(n, 0.5, 0.95)
		require.True(t, ok, "n=%d", n)
		assert.Equal(t, want, [2]uint64{low, high}, "n=%d", n)
	}
	_, _, ok := interval.Ranks(5, 0.5, 0.95)
	assert.False(t, ok, "five observations cannot enclose a median with 95 %%")
	// 0.95^58 > 0.05: 58 values say nothing on the upper side of a 95th percentile.
	_, _, ok = interval.Ranks(58, 0.95, 0.95)
	assert.False(t, ok)
}

func TestApproximateRanksAgreeWithTheExactOnes(t *testing.T) {
	t.Parallel()
	// Either side of the switch: variance 998 (exact) and 1002 (normal).
	lowA, highA, _ := interval.Ranks(3992, 0.5, 0.95)
	lowB, highB, _ := interval.Ranks(4008, 0.5, 0.95)
	assert.InDelta(t, float64(lowA), float64(lowB)-8, 3)
	assert.InDelta(t, float64(highA), float64(highB)-8, 3)
}

// DLMF 8.17: I_x(1,1) = x, I_x(a,b) = 1 - I_{1-x}(b,a), I_x(2,2) = 3x^2-2x^3.
func TestBetaMatchesClosedForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(0, 1).Draw(t, "x")
		a := rapid.Float64Range(0.5, 500).Draw(t, "a")
		b := rapid.Float64Range(0.5, 500).Draw(t, "b")
		assert.InDelta(t, x, interval.Beta(x, 1, 1), 1e-12)
		assert.InDelta(t, 3*x*x-2*x*x*x, interval.Beta(x, 2, 2), 1e-12)
		x = 1 - (1 - x) // so that 1-x is exact: I_x has no bounded slope at 0
		assert.InDelta(t, 1, interval.Beta(x, a, b)+interval.Beta(1-x, b, a), 1e-9)
	})
}

func TestIntervalsHoldTheirEstimates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) proportion {
			n := rapid.Uint64Range(1, 20_000_000).Draw(t, label+" trials")
			return proportion{rapid.Uint64Range(0, n).Draw(t, label+" hits"), n}
		}
		head, base := draw("head"), draw("base")
		for _, p := range []proportion{head, base} {
			rate, _ := p.Rate()
			w := interval.Wilson(p, 0.95)
			assert.True(t, w.Contains(rate) && w.Low >= 0 && w.High <= 1, "%v %v", p, w)
		}
		forth := interval.Newcombe(head, base, 0.95)
		back := interval.Newcombe(base, head, 0.95)
		assert.InDelta(t, -forth.Low, back.High, 1e-12, "swapping the runs mirrors the interval")
		assert.InDelta(t, -forth.High, back.Low, 1e-12)
		wide := interval.Newcombe(head, base, 0.999)
		assert.True(t, wide.Low <= forth.Low && forth.High <= wide.High)
		assert.True(t, interval.Newcombe(head, head, 0.95).Contains(0))
	})
}

func TestFisherIsAProbability(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 10_000_000).Draw(t, "trials")
		p := interval.Fisher(
			proportion{rapid.Uint64Range(0, min(n, 50)).Draw(t, "a"), n},
			proportion{rapid.Uint64Range(0, 10).Draw(t, "b"), 10 + n/2})
		assert.False(t, math.IsNaN(p) || p < 0 || p > 1, "%v", p)
	})
}

func TestNoTrialsSayNothing(t *testing.T) {
	t.Parallel()
	none, some := proportion{}, proportion{1, 2}
	assert.Equal(t, interval.Interval{Low: 0, High: 1}, interval.Wilson(none, 0.95))
	assert.Equal(t, interval.Interval{Low: 0, High: 1}, interval.ClopperPearson(none, 0.95))
	assert.Equal(t, interval.Interval{Low: -1, High: 1}, interval.Newcombe(some, none, 0.95))
	_, ok := none.Rate()
	assert.False(t, ok)
}

func near(t *testing.T, want, got interval.Interval) {
	t.Helper()
	assert.InDelta(t, want.Low, got.Low, 5.1e-5)
	assert.InDelta(t, want.High, got.High, 5.1e-5)
}

// The values are of a table of the t distribution.
func TestStudentIsAsInTables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ level, free, want float64 }{
		{0.95, 1, 12.706}, {0.95, 5, 2.571}, {0.99, 8, 3.355}, {0.95, 30, 2.042}, {0.999, 120, 3.373},
	} {
		assert.InDelta(t, c.want, interval.Student(c.level, c.free), 0.001, c)
	}
	assert.InDelta(t, interval.Critical(0.99), interval.Student(0.99, 1e6), 0.0001)
}
