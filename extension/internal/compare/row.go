package compare

import (
	"math"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
)

// confidence is the level at which the intervals of one table hold together.
const confidence = 0.95

// fisherBelow is the expected count under which a change of rates has to pass
// the exact test too (Cochran's rule).
const fisherBelow = 5

// Mark is the conclusion about one row.
type Mark string

// The marks of a row.
const (
	MarkEqual    Mark = "equal"    // the same numbers
	MarkNoise    Mark = "noise"    // different, as chance explains
	MarkBetter   Mark = "better"   // significantly better
	MarkWorse    Mark = "worse"    // significantly worse
	MarkChanged  Mark = "changed"  // significantly different, neither good nor bad
	MarkAppeared Mark = "appeared" // only head has the row
	MarkVanished Mark = "vanished" // only base has the row
	MarkUnknown  Mark = "unknown"  // too few observations to compare
)

// Unit says how the values of a row read.
type Unit string

// The units of a row.
const (
	UnitRate  Unit = "rate"  // 0 to 1
	UnitMS    Unit = "ms"    // milliseconds
	UnitCount Unit = "count" // events
)

// Direction says which way is good.
type Direction uint8

// The directions of a row.
const (
	Neutral Direction = iota
	HigherIsBetter
	LowerIsBetter
)

// Value is one run's side of a row. Low and High enclose it at the row's level.
type Value struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// Hits and Total are the counts behind a rate; Total is the number of
	// observations behind a quantile.
	Hits  uint64 `json:"hits,omitempty"`
	Total uint64 `json:"total,omitempty"`
}

// Change is head minus base.
type Change struct {
	Absolute float64 `json:"absolute"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	// Relative is the change divided by base; nil when base is zero.
	Relative *float64 `json:"relative,omitempty"`
	// P is the p-value of Fisher's exact test, where it was needed.
	P *float64 `json:"fisher_p,omitempty"`
}

// Row compares one number of two runs.
type Row struct {
	Name   string  `json:"name"`
	Unit   Unit    `json:"unit"`
	Base   *Value  `json:"base,omitempty"` // nil when the base does not have it
	Head   *Value  `json:"head,omitempty"`
	Change *Change `json:"change,omitempty"`
	Mark   Mark    `json:"mark"`
	// Level is the confidence of this row's intervals. It is absent where a
	// quantile has too few observations: low and high are then the extremes of what
	// was observed, and no interval.
	Level float64 `json:"level,omitempty"`
}

// Table is a list of rows with something in common.
type Table struct {
	Title string `json:"title"`
	// Dimension is what the rows break down by; empty for the whole run.
	Dimension string `json:"dimension,omitempty"`
	Rows      []Row  `json:"rows"`
}

// bounded is a side's value, without limits where they are no interval.
func (r *Row) bounded(v *Value) *Value {
	if v == nil || r.Level > 0 {
		return v
	}
	bare := *v
	bare.Low, bare.High = v.Value, v.Value
	return &bare
}

// jointLevel is the level of one of rows intervals that hold together.
func jointLevel(rows int) float64 { return 1 - (1-confidence)/float64(max(rows, 1)) }

// direct turns the sign of a significant change into its mark.
func direct(d Direction, change float64) Mark {
	switch {
	case d == Neutral:
		return MarkChanged
	case (change > 0) == (d == HigherIsBetter):
		return MarkBetter
	default:
		return MarkWorse
	}
}

func newChange(base, head float64, limits interval.Interval) *Change {
	c := &Change{Absolute: head - base, Low: limits.Low, High: limits.High}
	if base != 0 {
		r := c.Absolute / math.Abs(base)
		c.Relative = &r
	}
	return c
}

// rateRow compares two proportions; nil means that the run has no such row.
func rateRow(name string, base, head *interval.Proportion, level float64, d Direction) Row {
	row := Row{Name: name, Unit: UnitRate, Level: level}
	row.Base, row.Head = rateValue(base, level), rateValue(head, level)
	switch {
	case row.Base == nil && row.Head == nil:
		row.Mark = MarkUnknown
	case base == nil:
		row.Mark = MarkAppeared
	case head == nil:
		row.Mark = MarkVanished
	case row.Base == nil || row.Head == nil:
		row.Mark = MarkUnknown
	default:
		row.compareRates(*base, *head, d)
	}
	return row
}

func rateValue(p *interval.Proportion, level float64) *Value {
	if p == nil {
		return nil
	}
	rate, ok := p.Rate()
	if !ok {
		return nil
	}
	limits := interval.Wilson(*p, level)
	return &Value{Value: rate, Low: limits.Low, High: limits.High, Hits: p.Hits, Total: p.Trials}
}

func (r *Row) compareRates(base, head interval.Proportion, d Direction) {
	limits := interval.Newcombe(head, base, r.Level)
	r.Change = newChange(r.Base.Value, r.Head.Value, limits)
	significant := !limits.Contains(0)
	if tiny(base, head) {
		p := interval.Fisher(base, head)
		r.Change.P = &p
		significant = significant && p < 1-r.Level
	}
	switch {
	case significant:
		r.Mark = direct(d, r.Change.Absolute)
	case r.Change.Absolute == 0:
		r.Mark = MarkEqual
	default:
		r.Mark = MarkNoise
	}
}

// fisher is the p-value of the row's exact test; nil where there was none.
func (r *Row) fisher() *float64 {
	if r.Change == nil {
		return nil
	}
	return r.Change.P
}

// tiny reports whether any expected count of the two-by-two table is below
// fisherBelow.
func tiny(a, b interval.Proportion) bool {
	total := float64(a.Trials + b.Trials)
	hits := float64(a.Hits + b.Hits)
	rare := math.Min(hits, total-hits)
	return rare*float64(min(a.Trials, b.Trials))/total < fisherBelow
}
