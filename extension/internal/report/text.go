package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// TextOptions sets how the summary looks.
type TextOptions struct {
	Color bool     // ANSI colours, for a terminal
	Paths []string // where the report was written, shown last
}

// WriteText writes the console summary: the worst news first, paths last.
func WriteText(w io.Writer, r *Report, o TextOptions) error {
	t := &text{report: r, options: o}
	t.headline()
	t.control()
	t.verdicts()
	t.continuityBy("phase")
	t.continuityBy("attempt")
	t.edges()
	t.faults()
	t.ledger()
	t.notes()
	_, err := io.WriteString(w, t.b.String())
	if err != nil {
		return fmt.Errorf("writing summary: %w", err)
	}
	return nil
}

type text struct {
	report  *Report
	options TextOptions
	b       strings.Builder
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	reset  = "\x1b[0m"
)

func (t *text) paint(color, s string) string {
	if !t.options.Color {
		return s
	}
	return color + s + reset
}

// Printable makes a string that somebody else chose fit for a terminal: no
// control or formatting characters are left in it.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// Percent formats a rate with enough digits to tell one break in a million.
func Percent(rate float64) string {
	s := strconv.FormatFloat(rate*100, 'f', 4, 64)
	if rate < 1 && s == "100.0000" {
		return "<100%"
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"
}

// rows writes tab-separated lines as an indented, aligned table.
func (t *text) rows(title string, lines [][]string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(&t.b, "\n  %s\n", t.paint(bold, title))
	w := tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		_, _ = io.WriteString(w, "    "+strings.Join(line, "\t")+"\n") // a strings.Builder does not fail
	}
	_ = w.Flush() // a strings.Builder does not fail
}

func (t *text) headline() {
	rate, held, broken := t.report.Continuity()
	color := green
	if broken > 0 {
		color = red
	}
	fmt.Fprintf(
		&t.b,
		"\n  %s  %s of %d expected attempts held, %d broken (%d attempts, %d retries, %s)\n",
		t.paint(
			bold+color,
			"trace continuity "+Percent(rate),
		),
		strconv.FormatUint(held, 10),
		held+broken,
		broken,
		t.report.Totals.Attempts,
		t.report.Totals.Retries,
		t.report.Run.End.Sub(t.report.Run.Start).Round(time.Second),
	)
	if n := t.report.Totals.HopBreaks; n > 0 {
		fmt.Fprintf(
			&t.b,
			"  %s\n",
			t.paint(red, fmt.Sprintf("%d expected services did not appear in their trace", n)),
		)
	}
}

func (t *text) control() {
	c := t.report.Control
	if c.Injected == 0 {
		return
	}
	line := fmt.Sprintf(
		"context breaks injected %d, detected %d, unprovoked %d",
		c.Injected,
		c.Detected,
		c.FalseBreak,
	)
	color := green
	if c.Injected != c.Detected || c.FalseBreak > 0 {
		color = red
	}
	fmt.Fprintf(&t.b, "  %s\n", t.paint(color, line))
}

func (t *text) verdicts() {
	total := t.report.Totals
	var lines [][]string
	for _, v := range verdict.All() {
		n := total.Verdicts[v.String()]
		if n == 0 {
			continue
		}
		class := "not expected"
		name := v.String()
		switch {
		case v.Held():
			class = "held"
		case v.Broken():
			class, name = "broken", t.paint(red, name)
		}
		lines = append(lines, []string{
			name, strconv.FormatUint(n, 10), Percent(float64(n) / float64(total.Attempts)), class,
		})
	}
	t.rows("verdicts", lines)
}

func (t *text) continuityBy(dimension string) {
	var lines [][]string
	for _, row := range t.report.By[dimension] {
		rate, held, broken := row.Continuity()
		shown := "no attempt expected"
		if held+broken > 0 {
			shown = Percent(rate)
		}
		if broken > 0 {
			shown = t.paint(red, shown)
		}
		key := row.Key
		if key == "" {
			key = "(outside the plan)"
		}
		lines = append(lines, []string{
			Printable(key), shown, fmt.Sprintf("%d held", held), fmt.Sprintf("%d broken", broken),
			fmt.Sprintf("%d attempts", row.Attempts), fmt.Sprintf("%d retries", row.Retries),
			fmt.Sprintf("p95 %.1f ms", row.Duration.Quantile(0.95)),
		})
	}
	t.rows("continuity by "+dimension, lines)
}

func (t *text) edges() {
	var lines [][]string
	for _, e := range t.report.Edges {
		if e.Orphans == 0 {
			continue
		}
		lines = append(lines, []string{
			Printable(e.From) + " -> " + Printable(e.To), fmt.Sprintf("%d spans", e.Spans),
			t.paint(yellow, fmt.Sprintf("%d orphans", e.Orphans)),
		})
	}
	t.rows("orphans by edge", lines)
}

// faults sets what each toxic counted beside what the load saw of it.
func (t *text) faults() {
	var lines [][]string
	for _, f := range t.report.Faults {
		seen := t.report.seenOf(f)
		shown := strconv.FormatUint(seen, 10)
		if seen != f.Injected {
			shown = t.paint(yellow, shown)
		}
		lines = append(lines, []string{
			Printable(f.Phase),
			Printable(f.Toxic),
			Printable(f.Type),
			fmt.Sprintf(
				"requests %d",
				f.Seen,
			),
			fmt.Sprintf("injected %d", f.Injected),
			"seen by load " + shown,
		})
	}
	t.rows("faults", lines)
}

func (r *Report) seenOf(f Fault) uint64 {
	var n uint64
	for _, s := range r.Seen {
		if s.Phase == f.Phase && s.Toxic == f.Toxic && s.Type == f.Type {
			n += s.Count
		}
	}
	return n
}

// ledger accounts for spans; quiet when nothing was lost.
func (t *text) ledger() {
	s := t.report.Spans
	if lost := s.Failed + s.Dropped + s.InFlight; lost > 0 {
		fmt.Fprintf(&t.b, "\n  %s\n", t.paint(red, fmt.Sprintf(
			"client spans lost: %d started = %d exported + %d failed + %d dropped + %d in flight",
			s.Started, s.Exported, s.Failed, s.Dropped, s.InFlight)))
	}
	parts := []string{fmt.Sprintf("spans received %d", s.Received)}
	for _, part := range []struct {
		n    uint64
		name string
	}{
		{s.Rejected, "rejected"},
		{s.Redelivered, "redelivered"},
		{s.Foreign, "foreign"},
		{s.Late, "late"},
		{s.Truncated, "beyond the limit per trace"},
		{s.Evicted, "traces settled early"},
		{s.HookErrors, "hook errors"},
		{s.FlagBreaks, "sampled flags lost"},
		{s.StateBreaks, "tracestates lost"},
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

func (t *text) notes() {
	for _, warning := range t.report.Warnings {
		fmt.Fprintf(&t.b, "  %s %s\n", t.paint(yellow, "warning:"), Printable(warning))
	}
	for _, path := range t.options.Paths {
		fmt.Fprintf(&t.b, "  report: %s\n", path)
	}
	t.b.WriteByte('\n')
}
