package compare

import (
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// cell is one row of a breakdown, or the whole run.
type cell struct {
	name     string
	counts   *report.Counts
	duration *report.Histogram
}

func (c cell) attempts() uint64 { return c.counts.Attempts }

func (c cell) verdict(v verdict.Verdict) uint64 { return c.counts.Verdicts[v.String()] }

// continuity counts as the report itself does: absent hops are breaks too.
func (c cell) continuity() interval.Proportion {
	_, held, broken := c.counts.Continuity()
	return interval.Proportion{Hits: held, Trials: held + broken}
}

func (c cell) share(v verdict.Verdict) interval.Proportion {
	return interval.Proportion{Hits: c.verdict(v), Trials: c.attempts()}
}

// side is one report prepared for lookups.
type side struct {
	cell

	label      string
	report     *report.Report
	histograms map[string]*bars
}

func newSide(r *report.Report, label string) side {
	s := side{
		cell:  cell{counts: &r.Totals, duration: r.Histograms[histDuration]},
		label: label, report: r, histograms: make(map[string]*bars),
	}
	for name, h := range r.Histograms {
		s.histograms[name] = newBars(h)
	}
	return s
}

func (s *side) run() Run {
	r := &s.report.Run
	p := s.continuity()
	run := Run{
		Label: s.label, ID: r.ID, Start: r.Start, End: r.End, Commit: r.Commit,
		Attempts: s.attempts(), Continued: rateValue(&p, confidence),
	}
	if d := s.report.Dispersion(); d > 1 {
		run.Dispersion = d
	}
	return run
}

func (s *side) cells(dimension string) []cell {
	rows := s.report.By[dimension]
	list := make([]cell, len(rows))
	for i := range rows {
		list[i] = cell{name: rows[i].Key, counts: &rows[i].Counts, duration: rows[i].Duration}
	}
	return list
}

// cellOf finds the row that a gate's scope names.
func (s *side) cellOf(scope Scope) (cell, bool) {
	if scope == (Scope{}) {
		return s.cell, true
	}
	cells := s.cells(scope.Dimension)
	at := slices.IndexFunc(cells, func(c cell) bool { return c.name == scope.Value })
	if at < 0 {
		return cell{}, false
	}
	return cells[at], true
}

// edges are the calls from service to service, with the spans that found their
// parent.
func (s *side) edges() []share {
	list := make([]share, len(s.report.Edges))
	for i, e := range s.report.Edges {
		list[i] = share{e.From + " -> " + e.To, interval.Proportion{
			Hits: e.Spans - min(e.Orphans, e.Spans), Trials: e.Spans,
		}}
	}
	return list
}

// hops is the number of spans on all edges.
func (s *side) hops() (total uint64) {
	for _, e := range s.report.Edges {
		total += e.Spans
	}
	return total
}

// traces is the number of traces that spans were waited for: those whose services
// are known. An offline report has waited for none, and its traces are taken to
// be logical requests: attempts that are no retries.
func (s *side) traces() uint64 {
	if n := s.report.Histograms[histSettle].Count(); n > 0 {
		return n
	}
	return s.attempts() - min(s.counts.Retries, s.attempts())
}

// services are the traces in which a service was connected, as a share of all:
// a service that starts traces of its own is absent, not orphaned.
func (s *side) services() []share {
	list := make([]share, len(s.report.Services))
	for i, e := range s.report.Services {
		trials := max(s.traces(), e.Traces)
		list[i] = share{e.Name, interval.Proportion{Hits: min(e.Connected, trials), Trials: trials}}
	}
	return list
}

// whole returns a histogram of the whole run; nil when there is none.
func (s *side) whole(name string) distribution {
	if b := s.histograms[name]; b != nil {
		return b
	}
	return nil
}

// histogram returns a histogram of one row; rows have durations only.
func (s *side) histogram(c cell, name string, scope Scope) distribution {
	switch {
	case scope == (Scope{}):
		return s.whole(name)
	case name == histDuration && c.duration != nil:
		return newBars(c.duration)
	default:
		return nil
	}
}

// count returns a count that a gate names; ok is false for counts that rows do
// not have.
func (s *side) count(c cell, name string, scope Scope) (n uint64, ok bool) {
	expected := c.continuity()
	switch name {
	case countAttempts:
		return c.attempts(), true
	case countHeld:
		return expected.Hits, true
	case countBroken:
		return expected.Trials - expected.Hits, true
	case countRetries:
		return c.counts.Retries, true
	case countOrphans:
		return s.orphans(), scope == Scope{}
	case countDropped:
		return s.report.Spans.Dropped + s.report.Spans.Failed, scope == Scope{}
	}
	n = c.counts.Verdicts[name]
	return n, true
}

func (s *side) orphans() (total uint64) {
	for _, e := range s.report.Edges {
		total += e.Orphans
	}
	return total
}

// uncaused returns how many attempts at least have a broken verdict that no
// toxic explains: the report counts caused breaks, and those of which that cannot
// be told, over all verdicts together.
func (s *side) uncaused(v verdict.Verdict) uint64 {
	n, c := s.verdict(v), s.report.Control
	return n - min(n, s.counts.Broken-min(s.counts.Broken, c.FalseBreak))
}

// perhapsUncaused returns how many attempts at most have a broken verdict that no
// toxic explains.
func (s *side) perhapsUncaused(v verdict.Verdict) uint64 {
	broken := s.counts.Broken
	return min(s.verdict(v), broken-min(broken, s.report.Control.Detected))
}

// examples returns the example traces of one verdict, each by its first attempt
// that has it.
func (s *side) examples(v verdict.Verdict) []Example {
	var list []Example
	for i := range s.report.Examples {
		e := &s.report.Examples[i]
		if e.Verdict != v.String() {
			continue
		}
		out := Example{TraceID: e.TraceID.String(), Verdict: e.Verdict, Reason: e.Reason}
		at := slices.IndexFunc(e.Attempts, func(a report.ExampleAttempt) bool {
			return a.Verdict == e.Verdict
		})
		if at >= 0 {
			a := &e.Attempts[at]
			out.SpanID, out.Phase, out.Name = a.SpanID.String(), a.Phase, a.Name
			out.Method, out.Attempt, out.Status = a.Method, a.Number, a.Status
			out.Reason = a.Reason
		}
		list = append(list, out)
	}
	return list
}

// bars answers rank queries on a histogram.
type bars struct {
	list  []report.Bar
	upTo  []uint64 // observations up to and including each bar
	total uint64
}

func newBars(h *report.Histogram) *bars {
	b := &bars{list: h.Bars()}
	b.upTo = make([]uint64, len(b.list))
	for i, bar := range b.list {
		b.total += bar.Count
		b.upTo[i] = b.total
	}
	return b
}

func (b *bars) count() uint64 { return b.total }

func (b *bars) at(rank uint64) (low, high float64) {
	i, _ := slices.BinarySearch(b.upTo, rank)
	return b.list[i].Low, b.list[i].High
}
