package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteMarkdown writes the report as GitHub-flavoured Markdown, made for a
// comment or a job summary: the news first, the tables folded. Strings that
// somebody else chose stand in code spans, where no markup, link or mention
// works.
func WriteMarkdown(w io.Writer, r *Report) error {
	m := &markdown{}
	m.head(r)
	m.table("Verdicts", []string{"verdict", "attempts", "share"}, verdictRows(r))
	for _, dimension := range Dimensions() {
		table := m.folded
		if dimension == "phase" {
			table = m.table
		}
		table("By "+dimension,
			append([]string{dimension}, countColumns()...), dimensionRows(r, dimension))
	}
	m.folded("Service edges", []string{"edge", "orphans", "spans"}, edgeRows(r))
	m.folded("Faults",
		[]string{"fault", "type", "requests", "injected", "marked", "marks found"}, faultRows(r))
	m.examples(r)
	if _, err := io.WriteString(w, m.b.String()); err != nil {
		return fmt.Errorf("writing the report as Markdown: %w", err)
	}
	return nil
}

// Code wraps a string in a code span (CommonMark 6.1): the fence is longer than
// any run of backticks inside. Pipes are escaped for table cells (GFM 4.10),
// and control characters replaced.
func Code(s string) string {
	s = Printable(s)
	if s == "" {
		return ""
	}
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence, pad := strings.Repeat("`", longest+1), ""
	if longest > 0 {
		pad = " "
	}
	return fence + pad + strings.ReplaceAll(s, "|", `\|`) + pad + fence
}

type markdown struct{ b strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(&m.b, format+"\n", args...) }

func (m *markdown) head(r *Report) {
	rate, held, broken := r.Continuity()
	if held+broken == 0 {
		m.line("### Trace continuity unknown: no SERVER span was due\n")
	} else {
		m.line("### Trace continuity %s: %d of %d held, %d broken\n",
			Percent(rate), held, held+broken, broken)
	}
	m.line("Run %s, %s, %s, %d retries, %s\n", Code(r.Run.ID),
		r.Run.Start.UTC().Format("2006-01-02 15:04 UTC"), count(r.Totals.Attempts, "attempt"),
		r.Totals.Retries, r.Run.End.Sub(r.Run.Start).Round(time.Second))
	if c := r.Control; r.controlled() {
		m.line("Context breaks injected %d, detected %d, unprovoked %d%s\n",
			c.Injected, c.Detected, c.FalseBreak, c.unsure())
	}
	list := r.findings()
	for _, f := range list {
		mark := "-"
		if f.bad {
			mark = "- **!**"
		}
		m.line("%s %s", mark, Code(f.text))
	}
	if len(list) > 0 {
		m.line("")
	}
}

// table writes one table under its title, and nothing without rows.
func (m *markdown) table(title string, head []string, rows [][]string) {
	if len(rows) > 0 {
		m.line("**%s**\n", title)
		m.grid(head, rows)
	}
}

// folded writes one table that opens on demand, and nothing without rows.
func (m *markdown) folded(title string, head []string, rows [][]string) {
	if len(rows) > 0 {
		m.line("<details><summary>%s</summary>\n", title)
		m.grid(head, rows)
		m.line("</details>\n")
	}
}

func (m *markdown) grid(head []string, rows [][]string) {
	m.line("| %s |\n|---|%s", strings.Join(head, " | "), strings.Repeat("--:|", len(head)-1))
	for _, row := range rows {
		m.line("| %s |", strings.Join(row, " | "))
	}
	m.line("")
}

// countColumns are the columns of a table by dimension.
func countColumns() []string {
	return []string{"continuity", "broken", "held", "attempts", "retries", "p50", "p95"}
}

func digits(n uint64) string { return strconv.FormatUint(n, 10) }

func verdictRows(r *Report) (rows [][]string) {
	for _, v := range r.verdictLines() {
		rows = append(rows, []string{v.Name, digits(v.Count), Percent(v.Share)})
	}
	return rows
}

func dimensionRows(r *Report, dimension string) (rows [][]string) {
	for _, row := range r.By[dimension] {
		_, held, broken := row.Continuity()
		rows = append(rows, []string{
			Code(named(row.Key, unnamed(dimension))), shownContinuity(row.Counts),
			digits(broken), digits(held), digits(row.Attempts), digits(row.Retries),
			formatMS(row.Duration.Quantile(0.5)), formatMS(row.Duration.Quantile(0.95)),
		})
	}
	return rows
}

func edgeRows(r *Report) (rows [][]string) {
	for _, e := range r.Edges {
		rows = append(rows,
			[]string{Code(e.From + " -> " + e.To), digits(e.Orphans), digits(e.Spans)})
	}
	return rows
}

func faultRows(r *Report) (rows [][]string) {
	for _, f := range r.Faults {
		rows = append(rows, []string{
			Code(named(f.Phase, outsidePlan) + " / " + f.Toxic), Code(f.Type),
			digits(f.Seen), digits(f.Injected), digits(f.Marked), digits(r.seenOf(f)),
		})
	}
	return rows
}

// examples lists one trace per broken verdict.
func (m *markdown) examples(r *Report) {
	last, first := "", true
	for _, e := range r.Examples {
		if classOf(e.Verdict) != classBroken || e.Verdict == last {
			continue
		}
		if first {
			m.line("**Example traces**\n")
			first = false
		}
		last = e.Verdict
		m.line("- %s %s %s", e.Verdict, Code(e.TraceID.String()), Code(e.Reason))
	}
}

// shownContinuity is the rate of a row, or a dash where no span was due.
func shownContinuity(c Counts) string {
	rate, held, broken := c.Continuity()
	if held+broken == 0 {
		return "–"
	}
	return Percent(rate)
}

// unnamed is how a table shows its row without a key.
func unnamed(dimension string) string {
	if dimension == "phase" {
		return outsidePlan
	}
	return "(none)"
}
