package compare

import (
	"math"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// distribution is a histogram of milliseconds, as far as quantiles need it.
type distribution interface {
	// count returns the number of observations.
	count() uint64
	// at returns the limits of the bucket that holds the observation of a
	// 1-based rank, 1 <= rank <= count.
	at(rank uint64) (low, high float64)
}

// resolution is that of histograms, in milliseconds: they cut durations down to
// whole microseconds.
const resolution = 0.001

// sample is a distribution with how uneven it is over time at a quantile.
type sample struct {
	distribution

	spread report.Spread
}

// worth is how many independent observations n of the sample are worth: their variance
// is larger, and known only as well as its degrees of freedom say.
func (s sample) worth(n uint64, level float64) uint64 {
	if s.spread.Free < 1 {
		return n
	}
	unsure := interval.Student(level, s.spread.Free) / interval.Critical(level)
	return uint64(float64(n) / (max(1, s.spread.Dispersion) * unsure * unsure))
}

// quantileValue returns a quantile with its order-statistic interval. Bounded is
// false when there are too few observations to enclose it.
func quantileValue(d sample, q, level float64) (v Value, bounded bool) {
	n := d.count()
	if n == 0 {
		return Value{}, false
	}
	low, high := d.at(report.Rank(n, q))
	v = Value{Value: (low + high) / 2, Low: low, High: high, Total: n}
	worth := d.worth(n, level)
	from, to, ok := interval.Ranks(worth, q, level)
	if !ok {
		// All that is known: it lies among the observations.
		from, to = 1, n
	} else if worth < n {
		each := float64(n) / float64(worth)
		from = max(1, uint64(float64(from)*each))
		to = min(n, uint64(math.Ceil(float64(to)*each)))
	}
	v.Low, _ = d.at(from)
	_, v.High = d.at(to)
	v.High += resolution
	return v, ok
}

// quantileRow compares one quantile of two histograms; one without a distribution is
// of a run that does not have it.
func quantileRow(name string, base, head sample, q, level float64) Row {
	row := Row{Name: name, Unit: UnitMS, Level: level}
	boundedBase, boundedHead := false, false
	if count(base.distribution) > 0 {
		var v Value
		v, boundedBase = quantileValue(base, q, level)
		row.Base = &v
	}
	if count(head.distribution) > 0 {
		var v Value
		v, boundedHead = quantileValue(head, q, level)
		row.Head = &v
	}
	if row.Base != nil && !boundedBase || row.Head != nil && !boundedHead {
		row.Level = 0 // the extremes of what was observed are no interval
	}
	switch {
	case row.Base == nil && row.Head == nil:
		row.Mark = MarkUnknown
	case row.Base == nil:
		row.Mark = MarkAppeared
	case row.Head == nil:
		row.Mark = MarkVanished
	default:
		row.compareQuantiles(boundedBase && boundedHead)
	}
	return row
}

func (v *Value) estimate() interval.Estimate {
	return interval.Estimate{Value: v.Value, Interval: interval.Interval{Low: v.Low, High: v.High}}
}

func (r *Row) compareQuantiles(bounded bool) {
	limits := interval.Difference(r.Head.estimate(), r.Base.estimate())
	r.Change = newChange(r.Base.Value, r.Head.Value, limits)
	switch {
	case r.Change.Absolute == 0:
		r.Mark = MarkEqual
	case !bounded:
		r.Mark = MarkUnknown
	case limits.Contains(0):
		r.Mark = MarkNoise
	default:
		r.Mark = direct(LowerIsBetter, r.Change.Absolute)
	}
}
