package report

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// table holds the rows of one dimension.
type table struct{ rows map[string]*Row }

func (t *table) row(key string) *Row {
	if row := t.rows[key]; row != nil {
		return row
	}
	if len(t.rows) >= MaxRows {
		key = Other
		if row := t.rows[key]; row != nil {
			return row
		}
	}
	row := &Row{Key: key, Counts: newCounts(), Duration: NewHistogram()}
	t.rows[key] = row
	return row
}

// report copies the rows in the given order of keys, then by key. A table
// whose only row is unnamed says nothing and is empty.
func (t *table) report(order []string) []Row {
	if only, ok := t.rows[""]; ok && len(t.rows) == 1 && only != nil {
		return []Row{}
	}
	out := make([]Row, 0, len(t.rows))
	for _, row := range t.rows {
		out = append(out, Row{Key: row.Key, Counts: row.clone(), Duration: row.Duration.Clone()})
	}
	rank := func(key string) int {
		if i := slices.Index(order, key); i >= 0 {
			return i
		}
		if key == Other {
			return len(order) + 1
		}
		return len(order)
	}
	slices.SortFunc(out, func(a, b Row) int {
		return cmp.Or(cmp.Compare(rank(a.Key), rank(b.Key)), compareKeys(a.Key, b.Key))
	})
	return out
}

// compareKeys orders numbers by value and all else by text.
func compareKeys(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}

func (c Counts) clone() Counts {
	c.Verdicts = maps.Clone(c.Verdicts)
	return c
}

// order is the order of a dimension that has one of its own.
func (b *Builder) order(dimension string) []string {
	if dimension != "phase" {
		return nil
	}
	out := []string{""}
	for _, p := range b.phases {
		out = append(out, p.Name)
	}
	return out
}

// sort puts the lists that come from maps into a stable order.
func (r *Report) sort() {
	slices.SortFunc(r.Edges, func(a, b Edge) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	slices.SortFunc(r.Services, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(r.Faults, func(a, b Fault) int {
		return cmp.Compare(r.phaseIndex(a.Phase), r.phaseIndex(b.Phase))
	})
	slices.SortFunc(r.Seen, func(a, b Seen) int {
		return cmp.Or(
			cmp.Compare(r.phaseIndex(a.Phase), r.phaseIndex(b.Phase)),
			strings.Compare(a.Phase, b.Phase), strings.Compare(a.Toxic, b.Toxic),
			strings.Compare(a.Type, b.Type), strings.Compare(a.Mode, b.Mode),
		)
	})
}

func (r *Report) phaseIndex(name string) int {
	return slices.IndexFunc(r.Phases, func(p Phase) bool { return p.Name == name })
}
