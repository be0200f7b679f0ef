// Package interval holds the statistics that comparisons rest on: confidence
// intervals for a proportion, for the difference of two proportions, for a
// quantile, and Fisher's exact test. It is arithmetic only.
//
// Confidence is given as a level between 0 and 1, 0.95 for instance. A
// proportion without trials has no estimate: its interval is [0, 1].
//
// Sources:
//   - R. G. Newcombe, Two-sided confidence intervals for the single proportion,
//     Statistics in Medicine 17 (1998) 857-872.
//   - R. G. Newcombe, Interval estimation for the difference between independent
//     proportions, Statistics in Medicine 17 (1998) 873-890, method 10.
//   - G. Y. Zou and A. Donner, Construction of confidence limits about effect
//     measures, Statistics in Medicine 27 (2008) 1693-1702.
//   - W. J. Conover, Practical Nonparametric Statistics, section 3.2 (quantiles).
package interval

import "math"

// Interval is a closed range of plausible values.
type Interval struct {
	Low, High float64
}

// Contains reports whether v lies in the interval.
func (i Interval) Contains(v float64) bool { return i.Low <= v && v <= i.High }

// Proportion is a count of successes among trials, Hits <= Trials.
type Proportion struct {
	Hits, Trials uint64
}

// Rate returns hits per trial, and false when there was no trial.
func (p Proportion) Rate() (float64, bool) {
	if p.Trials == 0 {
		return 0, false
	}
	return float64(p.Hits) / float64(p.Trials), true
}

// Critical returns the two-sided standard normal deviate of a confidence
// level: 1.96 for 0.95.
func Critical(level float64) float64 { return math.Sqrt2 * math.Erfinv(level) }

// Student returns the two-sided critical value of Student's t distribution with so many
// degrees of freedom, which need not be whole.
func Student(level, free float64) float64 {
	x := bisect(func(x float64) bool { return Beta(x, free/2, 0.5) < 1-level })
	return math.Sqrt(free * (1 - x) / x)
}

// Wilson returns the score interval of a proportion, without a continuity
// correction.
func Wilson(p Proportion, level float64) Interval {
	rate, ok := p.Rate()
	if !ok {
		return Interval{0, 1}
	}
	n, z := float64(p.Trials), Critical(level)
	center := rate + z*z/(2*n)
	half := z * math.Sqrt(rate*(1-rate)/n+z*z/(4*n*n))
	scale := 1 + z*z/n
	out := Interval{math.Max(0, (center-half)/scale), math.Min(1, (center+half)/scale)}
	// At the ends the limit is exact; subtraction would leave a residue near 1e-17.
	if p.Hits == 0 {
		out.Low = 0
	}
	if p.Hits == p.Trials {
		out.High = 1
	}
	return out
}

// Newcombe returns the hybrid score interval of head's rate minus base's rate.
func Newcombe(head, base Proportion, level float64) Interval {
	h, okHead := head.Rate()
	b, okBase := base.Rate()
	if !okHead || !okBase {
		return Interval{-1, 1}
	}
	return Difference(
		Estimate{h, Wilson(head, level)},
		Estimate{b, Wilson(base, level)},
	)
}

// Estimate is a value with its own confidence interval.
type Estimate struct {
	Value float64
	Interval
}

// Difference combines the intervals of two independent estimates into the
// interval of head minus base, by squaring and adding the distances to the
// limits (Newcombe's method 10 for proportions; Zou and Donner in general).
func Difference(head, base Estimate) Interval {
	d := head.Value - base.Value
	return Interval{
		Low:  d - math.Hypot(head.Value-head.Low, base.High-base.Value),
		High: d + math.Hypot(head.High-head.Value, base.Value-base.Low),
	}
}
