package compare

import (
	"fmt"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// apply checks a gate on one run.
func (g Gate) apply(base, head *side) GateResult {
	result := GateResult{Run: head.label, Gate: g.Expr}
	actual, reason := g.actual(base, head)
	if reason != "" {
		result.Detail = reason // a gate without a value fails: nothing was shown to hold
		return result
	}
	result.Actual = &actual
	result.Passed = g.holds(actual)
	result.Detail = "is " + g.show(actual)
	return result
}

// actual returns the number that the gate is about, or why there is none.
func (g Gate) actual(base, head *side) (v float64, reason string) {
	v, reason = g.value(head)
	if reason != "" || !g.Delta {
		return v, reason
	}
	b, reason := g.value(base)
	if reason != "" {
		return 0, reason
	}
	if g.percent && g.metric.kind != metricRate {
		if b == 0 {
			return g.fromZero(v)
		}
		return (v - b) / b, ""
	}
	return v - b, ""
}

// fromZero is the relative change from a base of zero: none if it stayed.
func (Gate) fromZero(v float64) (float64, string) {
	if v == 0 {
		return 0, ""
	}
	return 0, "the base is 0, a relative change is undefined"
}

// value reads the gate's metric of one run.
func (g Gate) value(s *side) (v float64, reason string) {
	cell, ok := s.cellOf(g.Scope)
	if !ok {
		return 0, fmt.Sprintf("%s has no %s %q", s.label, g.Scope.Dimension, g.Scope.Value)
	}
	switch g.metric.kind {
	case metricRate:
		rate, ok := cell.continuity().Rate()
		if !ok {
			return 0, s.label + " has no attempt that was to be continued"
		}
		return rate, ""
	case metricCount:
		return g.count(s, cell)
	default:
		return g.quantileOf(s, cell)
	}
}

func (g Gate) count(s *side, c cell) (float64, string) {
	n, ok := s.count(c, g.metric.name, g.Scope)
	if !ok {
		return 0, g.metric.name + " is known for the whole run only"
	}
	if !g.percent || g.Delta {
		return float64(n), ""
	}
	share, ok := interval.Proportion{Hits: n, Trials: c.attempts()}.Rate()
	if !ok {
		return 0, s.label + " has no attempts"
	}
	return share, ""
}

func (g Gate) quantileOf(s *side, c cell) (float64, string) {
	d := s.histogram(c, g.metric.name, g.Scope)
	if d == nil {
		return 0, g.metric.name + " is known for the whole run only"
	}
	if d.count() == 0 {
		return 0, s.label + " has no " + g.metric.name
	}
	low, high := d.at(report.Rank(d.count(), g.metric.quantile))
	return (low + high) / 2, ""
}

// show prints the actual value the way the threshold was written.
func (g Gate) show(v float64) string {
	switch {
	case g.percent || g.metric.kind == metricRate:
		text := percent(v)
		if g.Delta && v > 0 {
			text = "+" + text
		}
		if g.Delta && g.metric.kind == metricRate {
			return text + " pp"
		}
		return text + " %"
	case g.metric.kind == metricQuantile:
		return milliseconds(v) + " ms"
	default:
		return number(v, UnitCount)
	}
}
