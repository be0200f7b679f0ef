package report

import (
	"math"
	"strings"
	"time"
)

// timeline is the run over time, as the page's script draws it. All lists but
// Phases have one value per bucket; nil is a gap.
type timeline struct {
	Step       int             `json:"step"` // seconds per bucket
	Attempts   []*float64      `json:"attempts"`
	Errors     []*float64      `json:"errors"`
	Broken     []*float64      `json:"broken"`
	Continuity []*float64      `json:"continuity"` // percent
	P50        []*float64      `json:"p50"`        // milliseconds
	P95        []*float64      `json:"p95"`
	P99        []*float64      `json:"p99"`
	Phases     []timelinePhase `json:"phases"`
}

// timelinePhase is a phase behind the charts, in seconds from the start.
type timelinePhase struct {
	Name   string  `json:"name"`
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Faulty bool    `json:"faulty"`
	Toxics string  `json:"toxics"`
}

// Empty reports whether there is nothing to draw.
func (t timeline) Empty() bool { return len(t.Attempts) == 0 }

func newTimeline(r *Report) timeline {
	step := max(1, r.Series.BucketSeconds)
	t := timeline{Step: step, Phases: []timelinePhase{}}
	seconds := float64(step)
	for _, b := range r.Series.Buckets {
		t.Attempts = append(t.Attempts, point(float64(b.Attempts)/seconds))
		t.Errors = append(t.Errors, point(float64(b.Errors)/seconds))
		t.Broken = append(t.Broken, point(float64(b.Broken)/seconds))
		t.Continuity = append(t.Continuity, b.continuity())
		t.P50 = append(t.P50, b.quantile(0.5))
		t.P95 = append(t.P95, b.quantile(0.95))
		t.P99 = append(t.P99, b.quantile(0.99))
	}
	last := float64(len(r.Series.Buckets)) * seconds
	at := func(when time.Time) float64 {
		return round(min(max(when.Sub(r.Series.Start).Seconds(), 0), last))
	}
	for _, p := range r.Phases {
		end := p.End
		if end.IsZero() {
			end = r.Run.End
		}
		t.Phases = append(t.Phases, timelinePhase{
			Name: Printable(p.Name), From: at(p.Start), To: at(end), Faulty: len(p.Toxics) > 0,
			Toxics: Printable(strings.Join(p.Toxics, ", ")),
		})
	}
	return t
}

// continuity is the bucket's rate in percent, or a gap where nothing was due.
// A bucket with a break is not at 100.
func (b Bucket) continuity() *float64 {
	due := b.Held + b.Broken
	if due == 0 {
		return nil
	}
	rate := float64(b.Held) / float64(due) * 100
	if b.Broken > 0 {
		rate = min(rate, 99.999)
	}
	return point(rate)
}

// quantile is one of the bucket's durations, or a gap.
func (b Bucket) quantile(q float64) *float64 {
	if b.Duration.Count() == 0 {
		return nil
	}
	return point(b.Duration.Quantile(q))
}

// point is a value with three decimals, or with all where those would say zero.
func point(v float64) *float64 {
	if rounded := round(v); rounded != 0 {
		v = rounded
	}
	return &v
}

func round(v float64) float64 { return math.Round(v*1000) / 1000 }
