package compare

import "github.com/xk6-continuity/xk6-continuity/extension/internal/report"

// latency compares the quantiles of every histogram that a run filled.
func latency(base, head *side) Table {
	t := Table{Title: tableLatency}
	names := []string{"p50", "p90", "p95", "p99", "p99.9"}
	quantiles := []float64{0.5, 0.9, 0.95, 0.99, 0.999}
	var filled []string
	for _, h := range histogramNames() {
		if count(base.whole(h)) > 0 || count(head.whole(h)) > 0 {
			filled = append(filled, h)
		}
	}
	level := jointLevel(len(filled) * len(quantiles))
	was, now := newCourse(base, quantiles), newCourse(head, quantiles)
	for _, h := range filled {
		for i, q := range quantiles {
			t.Rows = append(t.Rows,
				quantileRow(names[i]+"."+h, was.sample(h, i), now.sample(h, i), q, level))
		}
	}
	return t
}

func count(d distribution) uint64 {
	if d == nil {
		return 0
	}
	return d.count()
}

// course is a run with how uneven its durations were over time, by quantile, and how many
// of its seconds had attempts.
type course struct {
	*side

	durations []report.Spread
	busy      int
}

func newCourse(s *side, quantiles []float64) course {
	c := course{side: s, durations: s.report.DurationSpreads(quantiles...)}
	for _, b := range s.report.Series.Buckets {
		if b.Duration.Count() > 0 {
			c.busy++
		}
	}
	return c
}

// sample is what is known of one quantile of a quantity. Only durations have a timeline.
// What else an attempt waits for is taken to be as uneven. Spans come with the exports of
// services, all of a moment at once: those of a second count as one.
func (c course) sample(quantity string, quantile int) sample {
	s := sample{c.whole(quantity), c.durations[quantile]}
	if quantity == histSettle && c.busy > 1 {
		each := float64(count(s.distribution)) / float64(c.busy)
		s.spread = report.Spread{Dispersion: each, Free: float64(c.busy - 1)}
	}
	return s
}
