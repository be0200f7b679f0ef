package report

import (
	"fmt"
	"strings"
	"time"
)

// The drawing area of a chart, in SVG units.
const (
	chartWidth  = 1000.0
	chartHeight = 120.0
)

// timeline is the run over time: three charts over one axis.
type timeline struct {
	Bands  []band
	Charts []chart
	Axis   []tick
	Empty  bool
}

// band is a phase behind the charts.
type band struct {
	Name     string
	X, Width float64
	Faulty   bool
}

// tick is a label of the time axis.
type tick struct {
	X    float64
	Text string
}

// chart is one quantity over time.
type chart struct {
	Title, Max string
	Lines      []line
}

// line is one series of a chart: points of an SVG polyline.
type line struct{ Class, Points string }

func newTimeline(r *Report) timeline {
	n := len(r.Series.Buckets)
	if n == 0 {
		return timeline{Empty: true}
	}
	width := time.Duration(n*r.Series.BucketSeconds) * time.Second
	x := func(t time.Time) float64 {
		return min(max(float64(t.Sub(r.Series.Start))/float64(width), 0), 1) * chartWidth
	}
	t := timeline{}
	for _, p := range r.Phases {
		end := p.End
		if end.IsZero() {
			end = r.Run.End
		}
		t.Bands = append(t.Bands, band{
			Name: Printable(
				p.Name,
			),
			X:      x(p.Start),
			Width:  max(0, x(end)-x(p.Start)),
			Faulty: len(p.Toxics) > 0,
		})
	}
	const ticks = 5
	for i := range ticks + 1 {
		at := width * time.Duration(i) / ticks
		t.Axis = append(
			t.Axis,
			tick{X: float64(i) / ticks * chartWidth, Text: at.Round(time.Second).String()},
		)
	}
	t.Charts = charts(r.Series)
	return t
}

func charts(s Series) []chart {
	seconds := float64(s.BucketSeconds)
	rate := func(get func(Bucket) uint64) func(Bucket) (float64, bool) {
		return func(b Bucket) (float64, bool) { return float64(get(b)) / seconds, true }
	}
	continuity := func(b Bucket) (float64, bool) {
		if b.Held+b.Broken == 0 {
			return 0, false
		}
		return float64(b.Held) / float64(b.Held+b.Broken) * 100, true
	}
	quantile := func(q float64) func(Bucket) (float64, bool) {
		return func(b Bucket) (float64, bool) { return b.Duration.Quantile(q), b.Duration.Count() > 0 }
	}
	return []chart{
		newChart("continuity", "%", s, 100, series2{"held", continuity}),
		newChart("attempts per second", "/s", s, 0,
			series2{"attempts", rate(func(b Bucket) uint64 { return b.Attempts })},
			series2{"errors", rate(func(b Bucket) uint64 { return b.Errors })}),
		newChart("duration p50 and p95", "ms", s, 0,
			series2{"attempts", quantile(0.5)}, series2{"errors", quantile(0.95)}),
	}
}

type series2 struct {
	class string
	value func(Bucket) (float64, bool)
}

func newChart(title, unit string, s Series, top float64, lines ...series2) chart {
	for _, l := range lines {
		for _, b := range s.Buckets {
			if v, ok := l.value(b); ok {
				top = max(top, v)
			}
		}
	}
	if top == 0 {
		top = 1
	}
	c := chart{Title: title, Max: fmt.Sprintf("%.4g %s", top, unit)}
	for _, l := range lines {
		c.Lines = append(c.Lines, line{l.class, points(s.Buckets, l.value, top)})
	}
	return c
}

func points(buckets []Bucket, value func(Bucket) (float64, bool), top float64) string {
	var b strings.Builder
	for i, bucket := range buckets {
		if v, ok := value(bucket); ok {
			fmt.Fprintf(&b, "%.1f,%.1f ", (float64(i)+0.5)/float64(len(buckets))*chartWidth,
				chartHeight-v/top*(chartHeight-4)-2)
		}
	}
	return strings.TrimSpace(b.String())
}

// waterfall is an example with its bars, in percent of its width.
type waterfall struct {
	Example
	Bars []waterfallBar
}

// waterfallBar is one attempt, backoff or span.
type waterfallBar struct {
	Label, Note, Class string
	Left, Width        float64
	Missing            bool
}

func newWaterfall(e Example) waterfall {
	w := waterfall{Example: e}
	from, to := 0.0, 1.0
	for _, a := range e.Attempts {
		to = max(to, a.StartMS+a.DurationMS)
	}
	for _, s := range e.Spans {
		if s.StartMS > -60_000 && s.StartMS < to+60_000 { // a service's clock may be hours off
			from, to = min(from, s.StartMS), max(to, s.StartMS+s.DurationMS)
		}
	}
	place := func(start, length float64) (left, width float64) {
		left = min(max((start-from)/(to-from)*100, 0), 99.5)
		return left, min(max(length/(to-from)*100, 0.5), 100-left)
	}
	for _, a := range e.Attempts {
		if a.BackoffMS > 0 {
			left, width := place(a.StartMS-a.BackoffMS, a.BackoffMS)
			w.Bars = append(w.Bars, waterfallBar{
				Label: "backoff",
				Note:  formatMS(a.BackoffMS),
				Class: "backoff",
				Left:  left,
				Width: width,
			})
		}
		left, width := place(a.StartMS, a.DurationMS)
		w.Bars = append(w.Bars, waterfallBar{
			Label: fmt.Sprintf("attempt %d %s %s", a.Number, a.Method, Printable(a.Name)),
			Note:  attemptNote(a), Class: "attempt " + a.Verdict, Left: left, Width: width,
		})
		for _, s := range e.Spans {
			if s.ParentID == a.SpanID {
				w.appendSpan(e, s, place, 0)
			}
		}
		if !hasServer(e, a) {
			w.Bars = append(w.Bars, waterfallBar{
				Label:   "no SERVER span below this attempt",
				Note:    Printable(a.Reason),
				Class:   "missing",
				Missing: true,
			})
		}
	}
	for _, s := range e.Spans {
		if !e.knows(s) {
			w.appendSpan(e, s, place, 0)
		}
	}
	return w
}

func attemptNote(a ExampleAttempt) string {
	note := []string{a.Verdict, fmt.Sprintf("status %d", a.Status), formatMS(a.DurationMS)}
	for _, m := range a.Toxics {
		note = append(note, "toxic "+Printable(m.Name)+" ("+Printable(m.Mode)+")")
	}
	return strings.Join(note, ", ")
}

func hasServer(e Example, a ExampleAttempt) bool {
	for _, s := range e.Spans {
		if s.ParentID == a.SpanID && s.Kind != "CLIENT" && !s.Claimed {
			return true
		}
	}
	return a.Verdict == "not_delivered" || a.Verdict == "unsampled"
}

// knows reports whether the span hangs below an attempt or another span.
func (e Example) knows(s ExampleSpan) bool {
	for _, a := range e.Attempts {
		if s.ParentID == a.SpanID || s.SpanID == a.SpanID {
			return true
		}
	}
	for _, other := range e.Spans {
		if other.SpanID == s.ParentID && other.TraceID == s.TraceID {
			return true
		}
	}
	return false
}

// maxIndent bounds the depth of the tree that is drawn.
const maxIndent = 12

func (w *waterfall) appendSpan(
	e Example, s ExampleSpan, place func(start, length float64) (left, width float64), depth int,
) {
	left, width := place(s.StartMS, s.DurationMS)
	class := "span"
	note := fmt.Sprintf("%s, %s", s.Kind, formatMS(s.DurationMS))
	if s.Claimed {
		class = "span claimed"
		note += ", in trace " + s.TraceID.String() + ", tied by its User-Agent"
	}
	w.Bars = append(w.Bars, waterfallBar{
		Label: strings.Repeat("· ", depth+1) + Printable(s.Service) + " " + Printable(s.Name),
		Note:  note, Class: class, Left: left, Width: width,
	})
	if depth >= maxIndent {
		return
	}
	for _, child := range e.Spans {
		if child.ParentID == s.SpanID && child.TraceID == s.TraceID && child.SpanID != s.SpanID {
			w.appendSpan(e, child, place, depth+1)
		}
	}
}
