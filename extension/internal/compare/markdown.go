package compare

import (
	"fmt"
	"io"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// WriteMarkdown writes a comparison as GitHub-flavoured Markdown, made for a
// comment on a pull request: the verdict first, the news open, the rest folded.
// Every string of a service or of a file name stands in a code span, where no
// markup, link or mention works.
func WriteMarkdown(w io.Writer, c *Comparison) error {
	p := &printer{w: w}
	p.markdownVerdict(c)
	p.markdownRuns(c)
	p.markdownTrends(c)
	for i, h := range c.Heads {
		p.markdownHead(c, i, h)
	}
	p.line("<sub>" + strings.Replace(legend, "~", `\~`, 1) + "</sub>")
	return p.err
}

// code wraps a string in a code span.
func code(s string) string { return report.Code(line(s)) }

func (p *printer) markdownVerdict(c *Comparison) {
	word := c.headline()
	word = strings.ToUpper(word[:1]) + word[1:]
	p.line("### Trace continuity: " + word)
	p.line("")
	if len(c.Gates) == 0 {
		for _, f := range c.Regressions {
			p.line("- " + code(f.Run) + ": " + code(f.What))
		}
	}
	for _, g := range c.Gates {
		word := "pass"
		if !g.Passed {
			word = "**FAIL**"
		}
		p.line("- " + word + " " + code(g.Run) + ": " + code(g.Gate) + " (" + code(g.Detail) + ")")
	}
	for _, caution := range c.cautions() {
		p.line("- warning: " + code(caution))
	}
	p.line("")
}

func (p *printer) markdownRuns(c *Comparison) {
	p.line("| | run | id | started | attempts | continuity |")
	p.line("|---|---|---|---|--:|--:|")
	for i, r := range c.Runs {
		role := "base"
		if i > 0 {
			role = "head"
		}
		p.line(fmt.Sprintf("| %s | %s | %s | %s | %d | %s |", role, code(name(r.Label)), code(r.ID),
			r.Start.UTC().Format("2006-01-02 15:04 UTC"), r.Attempts,
			valueText(r.Continued, UnitRate)))
	}
	p.line("")
}

func (p *printer) markdownTrends(c *Comparison) {
	if len(c.Trends) == 0 {
		return
	}
	var head, rule strings.Builder
	for _, r := range c.Runs {
		head.WriteString(" " + code(name(r.Label)) + " |")
		rule.WriteString("--:|")
	}
	p.line("| trend |" + head.String())
	p.line("|---|" + rule.String())
	for _, t := range c.Trends {
		p.line("| " + code(name(t.Name)) + " |" + markdownTrend(t))
	}
	p.line("")
}

func markdownTrend(t Trend) string {
	var b strings.Builder
	for i, v := range t.Values {
		b.WriteString(" " + valueText(v, t.Unit))
		if i > 0 {
			b.WriteString(" " + markdownMark(t.Marks[i]))
		}
		b.WriteString(" |")
	}
	return b.String()
}

// markdownMark escapes the tilde, which GFM takes for strikethrough.
func markdownMark(m Mark) string {
	switch m {
	case MarkNoise:
		return `\~`
	case MarkWorse:
		return "**worse**"
	default:
		return markText(m)
	}
}

func (p *printer) markdownHead(c *Comparison, i int, h Head) {
	if len(c.Heads) > 1 {
		p.line("#### " + code(h.Label) + " against " + code(c.Runs[0].Label))
		p.line("")
	}
	for _, b := range h.NewBreaks {
		p.line("**New kind of break:** " + code(b.name()) + ", " + b.share())
		p.line("")
		for _, e := range b.Examples {
			p.line("- " + code(exampleText(e)))
		}
		p.line("")
	}
	for n, t := range h.Tables {
		folded := n > 0
		rows, hidden := visible(t, c.limit())
		if len(rows) == 0 {
			continue
		}
		if folded {
			p.line("<details><summary>" + t.Title + "</summary>")
			p.line("")
		}
		p.markdownTable(t.Title, rows, c.Runs[0].Label, c.Runs[i+1].Label)
		if hidden > 0 {
			p.line("")
			p.line(plural(hidden, "row") + " without a significant change not shown.")
		}
		p.line("")
		if folded {
			p.line("</details>")
			p.line("")
		}
	}
}

func (p *printer) markdownTable(title string, rows []Row, base, head string) {
	p.line("| " + title + " | " + code(base) + " | " + code(head) +
		" | change | relative | interval | |")
	p.line("|---|--:|--:|--:|--:|--:|---|")
	for _, r := range rows {
		p.line("| " + code(name(r.Name)) + " | " + valueText(r.Base, r.Unit) + " | " +
			valueText(r.Head, r.Unit) + " | " + changeText(r) + " | " + relativeText(r) + " | " +
			limitsText(r) + " | " + markdownMark(r.Mark) + " |")
	}
}
