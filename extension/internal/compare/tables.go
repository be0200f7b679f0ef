package compare

import (
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// The titles of the tables that rules refer to.
const (
	tableRun      = "whole run"
	tableLatency  = "latency"
	tableEdges    = "spans that found their parent"
	tableServices = "traces that reached the service"
)

// tables compares everything two runs have. Verdicts are those that any run of the
// comparison has, so that all heads have the same rows.
func tables(base, head *side, verdicts []verdict.Verdict) []Table {
	list := []Table{wholeRun(base, head, verdicts), latency(base, head)}
	for _, dimension := range dimensionNames() {
		list = append(list, breakdown(base, head, dimension))
	}
	list = append(list,
		shares(tableEdges, "edge", base.edges(), head.edges()),
		shares(tableServices, "service", base.services(), head.services()))
	return nonEmpty(list)
}

func nonEmpty(list []Table) []Table {
	kept := list[:0]
	for _, t := range list {
		if len(t.Rows) > 0 {
			kept = append(kept, t)
		}
	}
	return kept
}

// wholeRun compares continuity, which is the one question and so is tested at
// the full level, and the share of each verdict among all attempts.
func wholeRun(base, head *side, verdicts []verdict.Verdict) Table {
	t := Table{Title: tableRun}
	b, h := base.continuity(), head.continuity()
	t.Rows = append(t.Rows, rateRow(rateContinuity, &b, &h, confidence, HigherIsBetter))
	level := jointLevel(len(verdicts))
	for _, v := range verdicts {
		b, h := base.share(v), head.share(v)
		t.Rows = append(t.Rows, rateRow(v.String(), &b, &h, level, direction(v)))
	}
	return t
}

// present lists the verdicts that any of the runs has.
func present(sides []side) []verdict.Verdict {
	var list []verdict.Verdict
	for _, v := range verdict.All() {
		if slices.ContainsFunc(sides, func(s side) bool { return s.verdict(v) > 0 }) {
			list = append(list, v)
		}
	}
	return list
}

// direction says whether a verdict's share growing is good news. Deliveries that
// were not due depend on the faults and say nothing.
func direction(v verdict.Verdict) Direction {
	switch {
	case v == verdict.Continued:
		return HigherIsBetter
	case v.Broken(), v == verdict.Undecided, v == verdict.Duplicated:
		return LowerIsBetter
	default:
		return Neutral
	}
}

// breakdown compares continuity row by row of one dimension.
func breakdown(base, head *side, dimension string) Table {
	return shares("continuity by "+dimension, dimension,
		continuities(base.cells(dimension)), continuities(head.cells(dimension)))
}

func continuities(cells []cell) []share {
	list := make([]share, len(cells))
	for i, c := range cells {
		list[i] = share{c.name, c.continuity()}
	}
	return list
}

// share is one named proportion.
type share struct {
	name string
	interval.Proportion
}

// shares compares two lists of proportions by name, in the base's order, with
// what appeared at the end. More of them is better.
func shares(title, dimension string, base, head []share) Table {
	t := Table{Title: title, Dimension: dimension}
	names, inBase, inHead := union(base, head)
	level := jointLevel(len(names))
	for _, n := range names {
		t.Rows = append(t.Rows, rateRow(n, inBase[n], inHead[n], level, HigherIsBetter))
	}
	return t
}

func union(base, head []share) (names []string, b, h map[string]*interval.Proportion) {
	b = make(map[string]*interval.Proportion, len(base))
	h = make(map[string]*interval.Proportion, len(head))
	for _, s := range base {
		names = append(names, s.name)
		b[s.name] = &s.Proportion
	}
	for _, s := range head {
		h[s.name] = &s.Proportion
		if b[s.name] == nil {
			names = append(names, s.name)
		}
	}
	return names, b, h
}

// trends follows the numbers that matter over all runs.
func trends(heads []Head) []Trend {
	var list []Trend
	add := func(table, row string, u Unit) {
		t := Trend{Name: row, Unit: u, Values: []*Value{nil}, Marks: []Mark{MarkEqual}}
		found := false
		for _, h := range heads {
			r := h.row(table, row)
			found = found || r != nil
			if r == nil {
				t.Values, t.Marks = append(t.Values, nil), append(t.Marks, MarkUnknown)
				continue
			}
			if r.Base != nil {
				t.Values[0] = r.bounded(r.Base)
			}
			t.Values, t.Marks = append(t.Values, r.bounded(r.Head)), append(t.Marks, r.Mark)
		}
		if found {
			list = append(list, t)
		}
	}
	add(tableRun, rateContinuity, UnitRate)
	for _, v := range verdict.All() {
		if v.Broken() || v == verdict.Undecided {
			add(tableRun, v.String(), UnitRate)
		}
	}
	for _, q := range []string{"p50.", "p95.", "p99."} {
		add(tableLatency, q+histDuration, UnitMS)
	}
	return list
}

func (h Head) row(table, name string) *Row {
	for _, t := range h.Tables {
		if t.Title != table {
			continue
		}
		for i := range t.Rows {
			if t.Rows[i].Name == name {
				return &t.Rows[i]
			}
		}
	}
	return nil
}
