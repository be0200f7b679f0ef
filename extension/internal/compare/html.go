package compare

import (
	"crypto/sha256"
	_ "embed" // the page's template and style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed compare.html.tmpl
var pageTemplate string

//go:embed compare.css
var pageStyle string

// page is what the template sees.
type page struct {
	C         *Comparison
	Verdict   string
	Findings  []Finding
	Style     template.CSS
	StyleHash template.HTML // its quotes belong to the policy; hexadecimal and base64 else
	Heads     []pageHead
	Charts    []chart
}

type pageHead struct {
	Label, Base string
	NewBreaks   []NewBreak
	Tables      []pageTable
}

type pageTable struct {
	Title, Dimension, Summary string
	Open                      bool
	Rows                      []pageRow
}

type pageRow struct {
	Row
	Plot *plot
}

// plot places one change and its interval on a strip of plotWidth pixels.
type plot struct{ Zero, Low, At, High string }

const plotWidth = 160

// WriteHTML writes a comparison as one page that needs nothing else: no script,
// no request, and a content security policy that allows only its own style.
func WriteHTML(w io.Writer, c *Comparison) error {
	t, err := template.New("compare").Funcs(template.FuncMap{
		"name": name, "line": line, "mark": markText, "example": exampleText,
		"value":    valueText,
		"cautions": (*Comparison).cautions,
		"legend":   func() string { return legend },
		"change":   changeText, "relative": relativeText, "limits": limitsText,
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parsing the page template: %w", err)
	}
	sum := sha256.Sum256([]byte(pageStyle))
	hash := "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
	p := page{
		C: c, Verdict: c.headline(), Findings: c.failures(),
		Style:     template.CSS(pageStyle), //nolint:gosec // embedded at build time
		StyleHash: template.HTML(hash),     //nolint:gosec // a hash in base64
	}
	for i, h := range c.Heads {
		p.Heads = append(p.Heads, newPageHead(c.Runs[0].Label, c.Runs[i+1].Label, h))
	}
	for _, t := range c.Trends {
		p.Charts = append(p.Charts, newChart(t, c.Runs))
	}
	return t.Execute(w, p)
}

func newPageHead(base, label string, h Head) pageHead {
	out := pageHead{Label: label, Base: base, NewBreaks: h.NewBreaks}
	for i, t := range h.Tables {
		pt := pageTable{Title: t.Title, Dimension: t.Dimension}
		news := 0
		for _, r := range t.Rows {
			switch r.Mark {
			case MarkNoise, MarkEqual, MarkUnknown:
			default:
				news++
			}
		}
		pt.Summary = plural(len(t.Rows), "row") + ", " + plural(news, "change")
		pt.Open = i == 0 || news > 0
		scales := tableScales(t)
		for _, r := range t.Rows {
			pt.Rows = append(pt.Rows, pageRow{r, newPlot(r, scales[r.Unit])})
		}
		out.Tables = append(out.Tables, pt)
	}
	return out
}

// tableScales returns, per unit, the largest distance from zero that a
// significant interval reaches, or any where none is: wide noise may not
// flatten what matters.
func tableScales(t Table) map[Unit]float64 {
	scales, fallback := map[Unit]float64{}, map[Unit]float64{}
	for _, r := range t.Rows {
		if r.Change == nil || r.Level == 0 {
			continue
		}
		reach := math.Max(math.Abs(r.Change.Low), math.Abs(r.Change.High))
		fallback[r.Unit] = math.Max(fallback[r.Unit], reach)
		if r.Mark == MarkBetter || r.Mark == MarkWorse || r.Mark == MarkChanged {
			scales[r.Unit] = math.Max(scales[r.Unit], reach)
		}
	}
	for u, v := range fallback {
		if scales[u] == 0 {
			scales[u] = v
		}
	}
	return scales
}

func newPlot(r Row, scale float64) *plot {
	if r.Change == nil || r.Level == 0 || scale == 0 || math.IsInf(scale, 0) {
		return nil
	}
	at := func(v float64) string {
		x := plotWidth/2 + v/scale*(plotWidth/2-6)
		return pixel(math.Min(plotWidth, math.Max(0, x)))
	}
	c := r.Change
	return &plot{Zero: at(0), Low: at(c.Low), At: at(c.Absolute), High: at(c.High)}
}

func pixel(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}
