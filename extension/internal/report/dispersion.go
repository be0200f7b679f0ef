package report

import (
	"math"
	"slices"
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
	s := newUnevenness(partsOf(r.byPhase(), func(b *Bucket) part {
		return part{float64(b.Broken), float64(b.Held + b.Broken)}
	}), 1)
	if s.free < minFreeBuckets || s.chi < minDispersion*s.free ||
		s.chi-s.free < minDeviations*math.Sqrt(s.variance) {
		return 1
	}
	return s.chi / s.free
}

// part is how many of those in a bucket are of a kind.
type part struct{ hits, of float64 }

func sum(parts []part) (all part) {
	for _, p := range parts {
		all.hits, all.of = all.hits+p.hits, all.of+p.of
	}
	return all
}

// byPhase lists the buckets of each phase, those of none first. Buckets of two phases are
// left out.
func (r *Report) byPhase() [][]*Bucket {
	phases := make([][]*Bucket, len(r.Phases)+1)
	for i := range r.Series.Buckets {
		if phase, whole := r.phaseOf(i); whole {
			phases[phase+1] = append(phases[phase+1], &r.Series.Buckets[i])
		}
	}
	return phases
}

// partsOf lists what the buckets of each phase have of a kind, but for those that have
// nothing.
func partsOf(phases [][]*Bucket, count func(*Bucket) part) [][]part {
	out := make([][]part, len(phases))
	for i, buckets := range phases {
		for _, b := range buckets {
			if p := count(b); p.of > 0 {
				out[i] = append(out[i], p)
			}
		}
	}
	return out
}

// unevenness is Pearson's chi-square of parts, with its variance and its degrees of
// freedom if they had one rate in each phase.
type unevenness struct{ chi, variance, free float64 }

// newUnevenness takes so many neighbours together.
func newUnevenness(phases [][]part, width int) (u unevenness) {
	for _, parts := range phases {
		all := sum(parts)
		if all.hits == 0 || all.hits == all.of {
			continue
		}
		rate := all.hits / all.of
		batches := 0
		for some := range slices.Chunk(parts, width) {
			p := sum(some)
			spread := p.of * rate * (1 - rate)
			deviation := p.hits - p.of*rate
			u.chi += deviation * deviation / spread
			u.variance += 2 + 1/spread
			batches++
		}
		u.free += float64(batches - 1)
	}
	return u
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
