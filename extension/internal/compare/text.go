package compare

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// TextOptions says how text is written.
type TextOptions struct {
	Color bool // use terminal colours
}

// wholeTable is how long a table may be to be printed with its quiet rows.
const wholeTable = 10

// WriteText writes a comparison for a terminal.
func WriteText(w io.Writer, c *Comparison, o TextOptions) error {
	p := &printer{w: w, color: o.Color}
	p.runs(c)
	for _, caution := range c.cautions() {
		p.line("")
		p.line(p.paint(yellow, "warning: ") + line(caution))
	}
	if len(c.Trends) > 0 {
		p.trends(c)
	}
	for i, h := range c.Heads {
		p.head(c, i, h)
	}
	p.line("")
	for text := range strings.SplitSeq(legend, "\n") {
		p.line(p.paint(dim, text))
	}
	p.verdict(c)
	return p.err
}

// printer writes lines and keeps the first error.
type printer struct {
	w     io.Writer
	color bool
	err   error
}

// The colours of a terminal (ECMA-48 SGR).
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

func (p *printer) paint(sgr, text string) string {
	if !p.color || sgr == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (p *printer) line(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, strings.TrimRight(text, " ")+"\n")
	}
}

func (p *printer) runs(c *Comparison) {
	g := grid{}
	for i, r := range c.Runs {
		role := "base"
		if i > 0 {
			role = "head"
		}
		continuity := "no verdict"
		if r.Continued != nil {
			continuity = "continuity " + valueText(r.Continued, UnitRate)
		}
		g.add("", role, name(r.Label), name(r.ID), r.Start.UTC().Format("2006-01-02 15:04:05 UTC"),
			fmt.Sprintf("%d attempts", r.Attempts), continuity)
	}
	p.grid(g)
}

func (p *printer) trends(c *Comparison) {
	p.line("")
	p.line(p.paint(bold, "trend"))
	g := grid{right: true}
	header := []string{""}
	for _, r := range c.Runs {
		header = append(header, name(r.Label), "")
	}
	g.add(dim, header...)
	for _, t := range c.Trends {
		cells := []string{name(t.Name)}
		color := ""
		for i, v := range t.Values {
			mark := ""
			if i > 0 {
				mark = markText(t.Marks[i])
				color = worst(color, markColor(t.Marks[i]))
			}
			cells = append(cells, valueText(v, t.Unit), mark)
		}
		g.add(color, cells...)
	}
	p.grid(g)
}

// worst keeps red over any other colour, and a colour over none.
func worst(a, b string) string {
	if b == red || a == "" {
		return b
	}
	return a
}

func markColor(m Mark) string {
	switch m {
	case MarkWorse:
		return red
	case MarkBetter:
		return green
	case MarkAppeared, MarkVanished, MarkChanged:
		return yellow
	default:
		return ""
	}
}

func (p *printer) head(c *Comparison, i int, h Head) {
	if len(c.Heads) > 1 {
		p.line("")
		p.line(p.paint(bold, name(h.Label)+" against "+name(c.Runs[0].Label)))
	}
	printed := 0
	for _, t := range h.Tables {
		printed += p.table(t, name(c.Runs[0].Label), name(c.Runs[i+1].Label), c.limit())
	}
	if printed == 0 {
		p.line("  no significant change")
	}
	for _, b := range h.NewBreaks {
		p.line("")
		p.line(p.paint(red, line(b.String())))
		for _, e := range b.Examples {
			p.line("  " + exampleText(e))
		}
	}
}

// limit is how long a table may be to be printed whole: with several heads, only
// what changed is.
func (c *Comparison) limit() int {
	if len(c.Heads) > 1 {
		return 0
	}
	return wholeTable
}

// visible returns the rows worth printing and how many quiet ones are left out.
// A table of up to limit rows is printed whole.
func visible(t Table, limit int) (rows []Row, hidden int) {
	if len(t.Rows) <= limit {
		return t.Rows, 0
	}
	for _, r := range t.Rows {
		if r.Mark == MarkNoise || r.Mark == MarkEqual || r.Mark == MarkUnknown {
			hidden++
			continue
		}
		rows = append(rows, r)
	}
	return rows, hidden
}

// table prints a table and returns the number of rows it printed.
func (p *printer) table(t Table, base, head string, limit int) int {
	rows, hidden := visible(t, limit)
	if len(rows) == 0 && (limit == 0 || hidden == 0) {
		return 0
	}
	p.line("")
	g := grid{right: true}
	g.add(bold, t.Title, base, head, "change", "relative", "interval", "")
	for _, r := range rows {
		g.add(markColor(r.Mark), name(r.Name), valueText(r.Base, r.Unit), valueText(r.Head, r.Unit),
			changeText(r), relativeText(r), limitsText(r), markText(r.Mark))
	}
	p.grid(g)
	if hidden > 0 {
		p.line(p.paint(dim, "  "+plural(hidden, "row")+" without a significant change not shown"))
	}
	return len(rows)
}

func (p *printer) verdict(c *Comparison) {
	p.line("")
	for _, g := range c.Gates {
		word, color := "pass", green
		if !g.Passed {
			word, color = "FAIL", red
		}
		p.line(p.paint(color, word) + "  " + name(g.Run) + ": " + name(g.Gate) +
			"  (" + line(g.Detail) + ")")
	}
	color := green
	if c.Exit != 0 {
		color = red
	}
	p.line(p.paint(color, c.headline()))
	if len(c.Gates) > 0 {
		return
	}
	for _, f := range c.Regressions {
		p.line("  " + name(f.Run) + ": " + line(f.What))
	}
}

// grid is a table of clean cells whose columns are aligned when it is printed.
type grid struct {
	right  bool // align all but the first and the last column to the right
	rows   [][]string
	colors []string
}

func (g *grid) add(color string, cells ...string) {
	g.rows = append(g.rows, cells)
	g.colors = append(g.colors, color)
}

func (g *grid) widths() []int {
	var widths []int
	for _, cells := range g.rows {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func (p *printer) grid(g grid) {
	widths := g.widths()
	for n, cells := range g.rows {
		var b strings.Builder
		for i, cell := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case widths[i] == 0:
				continue
			case g.right && i > 0 && i < len(cells)-1:
				b.WriteString(pad + cell + "  ")
			default:
				b.WriteString(cell + pad + "  ")
			}
		}
		p.line(p.paint(g.colors[n], strings.TrimRight(b.String(), " ")))
	}
}
