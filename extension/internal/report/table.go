package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// table holds the rows of one dimension.
type table struct{ rows map[string]*tallied }

// tallied is a row while it grows. What follows from its verdicts is told by counts.
type tallied struct {
	key      string
	verdicts [verdicts]uint64
	retries  uint64
	duration *Histogram
}

// verdicts is how many verdicts there are.
const verdicts = int(verdict.Excluded) + 1

func newTallied(key string) *tallied { return &tallied{key: key, duration: NewHistogram()} }

func (t *tallied) add(r *verdict.Result, duration time.Duration) {
	t.verdicts[r.Verdict]++
	if r.Attempt.IsRetry() {
		t.retries++
	}
	t.duration.Record(duration)
}

func (t *tallied) counts() Counts {
	c := Counts{Retries: t.retries, Verdicts: make(map[string]uint64)}
	for _, v := range verdict.All() {
		n := t.verdicts[v]
		if n == 0 {
			continue
		}
		c.Verdicts[v.String()] = n
		c.Attempts += n
		switch {
		case v.Held():
			c.Held += n
		case v.Broken():
			c.Broken += n
		}
	}
	return c
}

// row is the row of a key: in a full table, that of [Other].
func (t *table) row(key string) *tallied {
	if row := t.rows[key]; row != nil {
		return row
	}
	if len(t.rows) >= MaxRows {
		key = Other
		if row := t.rows[key]; row != nil {
			return row
		}
	}
	row := newTallied(key)
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
		out = append(out, Row{Key: row.key, Counts: row.counts(), Duration: row.duration.Clone()})
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
			strings.Compare(a.Phase, b.Phase), strings.Compare(a.Proxy, b.Proxy),
			strings.Compare(a.Toxic, b.Toxic),
			strings.Compare(a.Type, b.Type), strings.Compare(a.Mode, b.Mode),
		)
	})
}

func (r *Report) phaseIndex(name string) int {
	return slices.IndexFunc(r.Phases, func(p Phase) bool { return p.Name == name })
}
