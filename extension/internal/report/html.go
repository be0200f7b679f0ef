package report

import (
	_ "embed" // the template and the style of the page
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

//go:embed assets/report.html.tmpl
var pageTemplate string

//go:embed assets/report.css
var pageStyle string

// HTMLOptions sets what the page links to.
type HTMLOptions struct {
	// TraceURL is the user's trace UI, with {trace_id} for the id; empty: no links.
	TraceURL string
}

// WriteHTML writes the report as one page that needs no network and runs no
// script: charts are inline SVG, and the content security policy allows
// nothing but the page's own style.
func WriteHTML(w io.Writer, r *Report, o HTMLOptions) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"percent": Percent, "printable": Printable, "ms": formatMS, "duration": formatDuration,
		"quantile": func(h *Histogram, q float64) string { return formatMS(h.Quantile(q)) },
		"traceURL": func(e Example) template.URL { return traceURL(o.TraceURL, e) },
		"share": func(n, total uint64) string {
			if total == 0 {
				return "–"
			}
			return Percent(float64(n) / float64(total))
		},
		"continuity": func(c Counts) string {
			rate, held, broken := c.Continuity()
			if held+broken == 0 {
				return "–"
			}
			return Percent(rate)
		},
		"allBroken": func(c Counts) uint64 {
			_, _, broken := c.Continuity()
			return broken
		},
		"seen": r.seenOf,
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parsing the report's page: %w", err)
	}
	if err := page.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("writing the report's page: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	*Report
	Style     template.CSS
	Rate      string
	Held      uint64
	BrokenAll uint64
	Verdicts  []verdictLine
	Tables    []dimensionTable
	Timeline  timeline
	Examples  []waterfall
	Lost      uint64
}

type verdictLine struct {
	Name, Class string
	Count       uint64
}

type dimensionTable struct {
	Title string
	Rows  []Row
}

func newPage(r *Report) page {
	rate, held, broken := r.Continuity()
	p := page{
		Report: r, Style: template.CSS(pageStyle), //nolint:gosec // our own style sheet
		Rate: Percent(rate), Held: held, BrokenAll: broken,
		Timeline: newTimeline(r), Lost: r.Spans.Failed + r.Spans.Dropped + r.Spans.InFlight,
	}
	for _, v := range verdict.All() {
		class := "neutral"
		switch {
		case v.Held():
			class = "held"
		case v.Broken():
			class = "broken"
		}
		if n := r.Totals.Verdicts[v.String()]; n > 0 {
			p.Verdicts = append(p.Verdicts, verdictLine{v.String(), class, n})
		}
	}
	for _, dimension := range Dimensions() {
		if rows := r.By[dimension]; len(rows) > 0 {
			p.Tables = append(p.Tables, dimensionTable{dimension, rows})
		}
	}
	for _, e := range r.Examples {
		p.Examples = append(p.Examples, newWaterfall(e))
	}
	return p
}

// traceURL fills the user's link template; the id is hexadecimal by its type.
func traceURL(pattern string, e Example) template.URL {
	if !strings.HasPrefix(pattern, "http://") && !strings.HasPrefix(pattern, "https://") {
		return ""
	}
	return template.URL(
		strings.ReplaceAll(pattern, "{trace_id}", e.TraceID.String()),
	)
}

func formatMS(v float64) string {
	switch {
	case v == 0:
		return "0 ms"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64) + " ms"
	case v < 10_000:
		return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
	default:
		return strconv.FormatFloat(v/1000, 'f', 1, 64) + " s"
	}
}

func formatDuration(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "–"
	}
	return to.Sub(from).Round(100 * time.Millisecond).String()
}
