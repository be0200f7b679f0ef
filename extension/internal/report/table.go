package report

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// table holds the rows of one dimension.
type table struct{ rows map[string]*Row }

func (t *table) row(key string) *Row {
	key = clip(key)
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
	slices.SortFunc(r.Seen, func(a, b Seen) int {
		return cmp.Or(
			r.phaseIndex(a.Phase)-r.phaseIndex(b.Phase),
			strings.Compare(a.Phase, b.Phase),
			strings.Compare(
				a.Toxic,
				b.Toxic,
			),
			strings.Compare(a.Type, b.Type),
			strings.Compare(a.Mode, b.Mode),
		)
	})
}

func (r *Report) phaseIndex(name string) int {
	return slices.IndexFunc(r.Phases, func(p Phase) bool { return p.Name == name })
}

// series counts over time. Its buckets get coarser as the run gets longer.
type series struct {
	start   time.Time
	seconds int
	buckets []Bucket
}

func newSeries(start time.Time) series { return series{start: start, seconds: 1} }

func (s *series) add(r *verdict.Result, duration time.Duration) {
	i := max(0, int(time.Unix(0, r.Attempt.Start).Sub(s.start)/time.Second)/s.seconds)
	for i >= MaxBuckets {
		s.coarsen()
		i /= 2
	}
	for len(s.buckets) <= i {
		s.buckets = append(s.buckets, Bucket{})
	}
	b := &s.buckets[i]
	b.Attempts++
	if r.Verdict.Held() {
		b.Held++
	}
	if r.Verdict.Broken() {
		b.Broken++
	}
	if failed(r.Attempt) {
		b.Errors++
	}
	if b.Duration == nil {
		b.Duration = newCoarse()
	}
	b.Duration.Record(duration)
}

// coarsen doubles the width of the buckets.
func (s *series) coarsen() {
	half := make([]Bucket, (len(s.buckets)+1)/2)
	for i, b := range s.buckets {
		half[i/2].merge(b)
	}
	s.buckets = half
	s.seconds *= 2
}

func (b *Bucket) merge(other Bucket) {
	b.Attempts += other.Attempts
	b.Held += other.Held
	b.Broken += other.Broken
	b.Errors += other.Errors
	switch {
	case other.Duration == nil:
	case b.Duration == nil:
		b.Duration = other.Duration.Clone()
	default:
		_ = b.Duration.Merge(other.Duration) // of one range: nothing can be dropped
	}
}

func (s *series) report() Series {
	out := Series{Start: s.start, BucketSeconds: s.seconds, Buckets: slices.Clone(s.buckets)}
	if out.Buckets == nil {
		out.Buckets = []Bucket{}
	}
	for i := range out.Buckets {
		out.Buckets[i].Duration = out.Buckets[i].Duration.Clone()
	}
	return out
}
