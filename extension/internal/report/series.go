package report

import (
	"slices"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// series counts over time. Its buckets begin at multiples of their width since
// 1970, so that those of several processes can be added up exactly, and get
// coarser as the run gets longer.
type series struct {
	begin   int64 // of the first bucket, Unix seconds
	seconds int64
	buckets []Bucket
}

// maxBefore is how long before the start of a report its first attempt can have
// begun, in seconds; what claims to be earlier counts there.
const maxBefore = 3600

func newSeries(start time.Time) series { return series{begin: start.Unix(), seconds: 1} }

// bucket is the bucket of a moment. What the buckets cannot hold makes them
// coarser.
func (s *series) bucket(second int64) *Bucket {
	second = max(second, s.begin-maxBefore)
	for s.length(second) > MaxBuckets {
		s.coarsen()
	}
	if second < s.begin {
		first := floor(second, s.seconds)
		s.buckets = slices.Concat(make([]Bucket, (s.begin-first)/s.seconds), s.buckets)
		s.begin = first
	}
	i := int((second - s.begin) / s.seconds)
	for len(s.buckets) <= i {
		s.buckets = append(s.buckets, Bucket{})
	}
	return &s.buckets[i]
}

// length is how many buckets there are with that of a moment.
func (s *series) length(second int64) int64 {
	first := floor(min(second, s.begin), s.seconds)
	last := max(floor(second, s.seconds), s.begin+int64(len(s.buckets)-1)*s.seconds)
	return (last-first)/s.seconds + 1
}

// floor is the greatest multiple of width up to a value.
func floor(value, width int64) int64 { return value - ((value%width)+width)%width }

func (s *series) add(r *verdict.Result, duration time.Duration) {
	b := s.bucket(time.Unix(0, r.Attempt.Start).Unix())
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
	begin := floor(s.begin, 2*s.seconds)
	lead := int((s.begin - begin) / s.seconds)
	half := make([]Bucket, (len(s.buckets)+lead+1)/2)
	for i, b := range s.buckets {
		half[(i+lead)/2].merge(b)
	}
	s.begin, s.seconds, s.buckets = begin, 2*s.seconds, half
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
	out := Series{
		Start: time.Unix(s.begin, 0).UTC(), BucketSeconds: int(s.seconds),
		Buckets: slices.Clone(s.buckets),
	}
	if out.Buckets == nil {
		out.Buckets = []Bucket{}
	}
	for i := range out.Buckets {
		out.Buckets[i].Duration = out.Buckets[i].Duration.Clone()
	}
	return out
}
