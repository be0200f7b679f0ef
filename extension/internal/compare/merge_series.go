package compare

import (
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// seriesSum adds series up on one grid: buckets begin at multiples of their
// width since 1970, so that parts that began at different moments fit, and the
// widths are powers of two, so that coarser buckets are sums of finer ones.
type seriesSum struct {
	start   time.Time // of the earliest part, for a run without attempts
	width   int64     // seconds
	buckets map[int64]*report.Bucket
}

func (s *seriesSum) add(p *report.Series) error {
	width := int64(max(1, p.BucketSeconds))
	start := p.Start.Unix() - mod(p.Start.Unix(), width)
	if s.buckets == nil {
		s.buckets, s.width, s.start = make(map[int64]*report.Bucket), width, time.Unix(start, 0)
	}
	if at := time.Unix(start, 0); at.Before(s.start) {
		s.start = at
	}
	for s.width < width {
		if err := s.coarsen(); err != nil {
			return err
		}
	}
	for i := range p.Buckets {
		second := start + int64(i)*width
		if err := s.put(second-mod(second, s.width), &p.Buckets[i]); err != nil {
			return err
		}
	}
	for s.length() > report.MaxBuckets {
		if err := s.coarsen(); err != nil {
			return err
		}
	}
	return nil
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// put adds a bucket at a multiple of the width.
func (s *seriesSum) put(second int64, from *report.Bucket) error {
	to := s.buckets[second]
	if to == nil {
		to = &report.Bucket{}
		s.buckets[second] = to
	}
	to.Attempts += from.Attempts
	to.Held += from.Held
	to.Broken += from.Broken
	to.Errors += from.Errors
	if to.Duration == nil {
		to.Duration = from.Duration.Clone()
		return nil
	}
	return to.Duration.Merge(from.Duration)
}

// move counts an attempt under its new verdict.
func (s *seriesSum) move(c move) {
	second := c.attempt.Start.Unix()
	b := s.buckets[second-mod(second, s.width)]
	if c.attempt.Start.IsZero() || b == nil {
		return
	}
	switch before, after := broken(c.from), broken(c.to); {
	case before && !after && b.Broken > 0:
		b.Broken--
	case after && !before:
		b.Broken++
	}
}

func (s *seriesSum) coarsen() error {
	fine := s.buckets
	s.width *= 2
	s.buckets = make(map[int64]*report.Bucket, len(fine)/2+1)
	for second, b := range fine {
		if err := s.put(second-mod(second, s.width), b); err != nil {
			return err
		}
	}
	return nil
}

// limits are the first and the last bucket's seconds.
func (s *seriesSum) limits() (first, last int64) {
	first = s.start.Unix() - mod(s.start.Unix(), s.width)
	last = first - s.width
	for second := range s.buckets {
		last = max(last, second)
	}
	return first, last
}

func (s *seriesSum) length() int64 {
	first, last := s.limits()
	return (last-first)/s.width + 1
}

func (s *seriesSum) report() report.Series {
	first, last := s.limits()
	out := report.Series{
		Start: time.Unix(first, 0).UTC(), BucketSeconds: int(s.width), Buckets: []report.Bucket{},
	}
	for second := first; second <= last; second += s.width {
		var b report.Bucket
		if from := s.buckets[second]; from != nil {
			b = *from
		}
		out.Buckets = append(out.Buckets, b)
	}
	return out
}
