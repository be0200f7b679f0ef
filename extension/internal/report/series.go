package report

import (
	"slices"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

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
