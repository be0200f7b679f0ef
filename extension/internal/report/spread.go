package report

import "math"

// Spread is how far the share of durations up to a quantile varies over time: its
// variance relative to that of independent ones, and the degrees of freedom of that
// estimate; 0 where nothing is known of it.
type Spread struct{ Dispersion, Free float64 }

// DurationSpreads are the spreads of durations at some quantiles, of attempts in the same
// phase. A second in which the machine had other things to do is slow for all of its
// attempts: they are worth fewer independent ones, and an interval of the quantile is that
// of the share up to it, turned around (Woodruff 1952,
// https://doi.org/10.2307/2280781). Seconds next to each other may be slow together, so
// that batches of them are looked at as well, and the most uneven count.
func (r *Report) DurationSpreads(quantiles ...float64) []Spread {
	bars := make(map[*Bucket][]Bar)
	whole := newCoarse()
	for i := range r.Series.Buckets {
		b := &r.Series.Buckets[i]
		bars[b] = b.Duration.Bars()
		if err := whole.Merge(b.Duration); err != nil {
			return make([]Spread, len(quantiles))
		}
	}
	out := make([]Spread, len(quantiles))
	all, phases := whole.Bars(), r.byPhase()
	for i, q := range quantiles {
		cut := nearest(all, q)
		out[i] = mostUneven(partsOf(phases, func(b *Bucket) part {
			return part{float64(upTo(bars[b], cut)), float64(b.Duration.Count())}
		}))
	}
	return out
}

// nearest is the upper limit of the bar that comes nearest to having a share q up to it, but
// for the last one: what all do not exceed tells nothing, and timeouts have one bar.
func nearest(bars []Bar, q float64) (cut float64) {
	var n, below uint64
	for _, bar := range bars {
		n += bar.Count
	}
	best := math.Inf(1)
	for _, bar := range bars {
		below += bar.Count
		if off := math.Abs(float64(below)/float64(n) - q); off < best && below < n {
			best, cut = off, bar.High
		}
	}
	return cut
}

// upTo counts what does not exceed a limit of bars.
func upTo(bars []Bar, limit float64) (n uint64) {
	for _, bar := range bars {
		if bar.High > limit {
			break
		}
		n += bar.Count
	}
	return n
}

// mostUneven looks at ever larger batches of neighbours, as long as there are enough.
func mostUneven(phases [][]part) (most Spread) {
	for width := 1; ; width *= 2 {
		u := newUnevenness(phases, width)
		if u.free < 1 || width > 1 && u.free < minFreeBuckets {
			return most
		}
		if s := (Spread{u.chi / u.free, u.free}); s.Dispersion > most.Dispersion {
			most = s
		}
	}
}
