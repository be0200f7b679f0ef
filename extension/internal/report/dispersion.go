package report

import (
	"math"
	"time"
)

// The least evidence on which breaks are said to come in bursts: so many free
// buckets, so uneven, and so many standard deviations above independence.
const (
	minFreeBuckets = 8
	minDispersion  = 1.5
	minDeviations  = 5
)

// Dispersion is how unevenly attempts break over time: Pearson's chi-square of the
// series divided by its degrees of freedom, as of the quasi-binomial model. It is
// about 1 for attempts that break independently, and about m where m at a time
// share their fate; intervals that take them as independent are then too narrow
// by the square root of it. Every phase has a rate of its own. It is 1 when there
// is no evidence of more.
func (r *Report) Dispersion() float64 {
	phases := make(map[int][]Bucket)
	for i, b := range r.Series.Buckets {
		if phase, whole := r.phaseOf(i); whole && b.Held+b.Broken > 0 {
			phases[phase] = append(phases[phase], b)
		}
	}
	var chi, variance, free float64
	for _, buckets := range phases {
		rate := brokenShare(buckets)
		if rate == 0 || rate == 1 {
			continue
		}
		free += float64(len(buckets) - 1)
		for _, b := range buckets {
			due := float64(b.Held + b.Broken)
			spread := due * rate * (1 - rate)
			deviation := float64(b.Broken) - due*rate
			chi += deviation * deviation / spread
			variance += 2 + 1/spread
		}
	}
	if free < minFreeBuckets || chi < minDispersion*free ||
		chi-free < minDeviations*math.Sqrt(variance) {
		return 1
	}
	return chi / free
}

func brokenShare(buckets []Bucket) float64 {
	var broken, due uint64
	for _, b := range buckets {
		broken += b.Broken
		due += b.Held + b.Broken
	}
	return float64(broken) / float64(due)
}

// phaseOf is the place of the phase that a bucket lies in, -1 for none. It is not
// whole when it is in two.
func (r *Report) phaseOf(bucket int) (phase int, whole bool) {
	step := time.Duration(max(1, r.Series.BucketSeconds)) * time.Second
	begin := r.Series.Start.Add(time.Duration(bucket) * step)
	end := begin.Add(step)
	phase = -1
	for i, p := range r.Phases {
		if inside(p.Start, begin, end) || inside(p.End, begin, end) {
			return 0, false
		}
		if !begin.Before(p.Start) && (p.End.IsZero() || begin.Before(p.End)) {
			phase = i
		}
	}
	return phase, true
}

// inside reports whether a moment is within a span of time and not at its edge.
func inside(t, begin, end time.Time) bool { return t.After(begin) && t.Before(end) }
