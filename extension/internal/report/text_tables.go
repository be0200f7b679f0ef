package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// cell is one cell of a console table. Numbers are set to the right.
type cell struct {
	text, color string
	right       bool
}

func label(s string) cell           { return cell{text: Printable(s)} }
func number(s string) cell          { return cell{text: s, right: true} }
func integer(n uint64) cell         { return number(strconv.FormatUint(n, 10)) }
func (c cell) in(color string) cell { c.color = color; return c }

// maxLabel bounds the width of a column in runes.
const maxLabel = 60

func (c cell) width() int { return utf8.RuneCountInString(c.text) }

func (c cell) shortened() cell {
	if c.width() > maxLabel {
		c.text = string([]rune(c.text)[:maxLabel-1]) + "…"
	}
	return c
}

// table writes rows in aligned columns under a title; nothing for no rows. The
// head names the columns.
func (t *text) table(title string, head []string, rows [][]cell) {
	if len(rows) == 0 {
		return
	}
	first := make([]cell, len(head))
	for i, name := range head {
		first[i] = cell{text: name, right: rows[0][i].right}
	}
	rows = append([][]cell{first}, rows...)
	widths := make([]int, len(head))
	for _, row := range rows {
		for i := range row {
			row[i] = row[i].shortened()
			widths[i] = max(widths[i], row[i].width())
		}
	}
	t.b.WriteString("\n  " + t.paint(bold, title) + "\n")
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-c.width())
			if c.right {
				line.WriteString(pad + t.paint(c.color, c.text) + "  ")
			} else {
				line.WriteString(t.paint(c.color, c.text) + pad + "  ")
			}
		}
		t.b.WriteString("    " + strings.TrimRight(line.String(), " ") + "\n")
	}
}

func (t *text) verdicts() {
	var rows [][]cell
	colors := map[string]string{classBroken: red, classHeld: green}
	for _, v := range t.report.verdictLines() {
		meaning := v.Class
		if v.Class == classNeutral {
			meaning = "not expected"
		}
		rows = append(rows, []cell{
			label(v.Name).in(colors[v.Class]), integer(v.Count),
			number(Percent(v.Share)), label(meaning),
		})
	}
	t.table("verdicts", []string{"verdict", "attempts", "share", "counts as"}, rows)
}

func (t *text) continuityBy(title, unnamed string, list []Row) {
	var rows [][]cell
	for _, row := range list {
		rate, held, broken := row.Continuity()
		shown := number("none due")
		switch {
		case broken > 0:
			shown = number(Percent(rate)).in(red)
		case held > 0:
			shown = number(Percent(rate))
		}
		rows = append(rows, []cell{
			label(named(row.Key, unnamed)), shown, integer(broken), integer(held),
			integer(row.Attempts), integer(row.Retries),
			number(formatMS(row.Duration.Quantile(0.5))),
			number(formatMS(row.Duration.Quantile(0.95))),
		})
	}
	first, _, _ := strings.Cut(title, ",")
	t.table("by "+title,
		append([]string{first}, countColumns()...), rows)
}

func (t *text) edges() {
	var rows [][]cell
	for _, e := range t.report.Edges {
		if e.Orphans > 0 {
			rows = append(rows, []cell{
				label(e.From + " -> " + e.To), integer(e.Orphans).in(red), integer(e.Spans),
			})
		}
	}
	t.table("orphans by edge", []string{"edge", "orphans", "spans"}, rows)
}

// faults sets what each toxic counted beside what the load saw of it.
func (t *text) faults() {
	var rows [][]cell
	for _, f := range t.report.Faults {
		injected, seen := integer(f.Injected), t.report.seenOf(f)
		if f.Injected == 0 {
			injected = injected.in(yellow)
		}
		rows = append(rows, []cell{
			label(named(f.Phase, outsidePlan)), label(f.Toxic), label(f.Type),
			integer(f.Seen), injected, integer(f.Marked), integer(seen),
		})
	}
	t.table("faults",
		[]string{"phase", "toxic", "type", "requests", "injected", "marked", "marks found"}, rows)
}

// ledger accounts for spans in one line; what was lost is among the findings.
func (t *text) ledger() {
	s := t.report.Spans
	parts := []string{fmt.Sprintf("spans received %d", s.Received)}
	for _, part := range []struct {
		n    uint64
		name string
	}{
		{s.Rejected, "rejected"},
		{s.Redelivered, "redelivered"},
		{s.Foreign, "foreign"},
		{s.Late, "late"},
		{s.HookErrors, "hook errors"},
		{s.FlagBreaks, "sampled flags lost"},
		{s.StateBreaks, "tracestates lost"},
		{s.Excluded, "requests excluded"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.name))
		}
	}
	if s.Started > 0 {
		parts = append(parts, fmt.Sprintf("client spans exported %d of %d", s.Exported, s.Started))
	}
	fmt.Fprintf(&t.b, "\n  %s\n", strings.Join(parts, ", "))
}
