package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// TextOptions sets how the summary looks.
type TextOptions struct {
	Color bool     // ANSI colours, for a terminal
	Paths []string // where the report was written, shown last
}

// WriteText writes the console summary: the worst news first, paths last. It
// has no control characters but its own colours.
func WriteText(w io.Writer, r *Report, o TextOptions) error {
	t := &text{report: r, options: o}
	t.headline()
	t.findings()
	t.verdicts()
	t.continuityBy("phase", outsidePlan, r.By["phase"])
	names, rest := worst(r.By["name"], worstNames)
	t.continuityBy("name, broken ones", "(unnamed)", names)
	t.more(rest, "request name")
	t.continuityBy("attempt", "(none)", r.By["attempt"])
	t.edges()
	t.faults()
	t.ledger()
	t.paths()
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("writing summary: %w", err)
	}
	return nil
}

// worstNames is how many request names with breaks the summary lists.
const worstNames = 5

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
	if !t.options.Color || color == "" || s == "" {
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

// Percent formats a rate with enough digits to tell one break in a million. What
// is rarer is neither all nor nothing.
func Percent(rate float64) string {
	s := strconv.FormatFloat(rate*100, 'f', 4, 64)
	switch {
	case rate < 1 && s == "100.0000":
		return "<100%"
	case rate > 0 && s == "0.0000":
		return "<0.0001%"
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"
}

func (t *text) headline() {
	rate, held, broken := t.report.Continuity()
	total := t.report.Totals
	color, shown := green, "trace continuity "+Percent(rate)
	switch {
	case held+broken == 0:
		color, shown = yellow, "trace continuity unknown: no SERVER span was due"
	case broken > 0:
		color = red
	}
	fmt.Fprintf(&t.b, "\n  %s", t.paint(bold+color, shown))
	if held+broken > 0 {
		fmt.Fprintf(&t.b, "  %d of %d held, %d broken", held, held+broken, broken)
	}
	fmt.Fprintf(&t.b, "\n  %s, %d retries, %s\n", count(total.Attempts, "attempt"), total.Retries,
		t.report.Run.End.Sub(t.report.Run.Start).Round(time.Second))
	if c := t.report.Control; t.report.controlled() {
		color = green
		if c.Injected != c.Detected || c.FalseBreak > 0 {
			color = red
		}
		fmt.Fprintf(&t.b, "  %s\n", t.paint(color, fmt.Sprintf(
			"context breaks injected %d, detected %d, unprovoked %d%s",
			c.Injected, c.Detected, c.FalseBreak, c.unsure())))
	}
}

func (t *text) findings() {
	for i, f := range t.report.findings() {
		if i == 0 {
			t.b.WriteByte('\n')
		}
		color := yellow
		if f.bad {
			color = red
		}
		fmt.Fprintf(&t.b, "  %s %s\n", t.paint(color, "!"), Printable(f.text))
	}
}

// more says how many rows a table leaves out.
func (t *text) more(rest int, what string) {
	if rest > 0 {
		fmt.Fprintf(&t.b, "    … and %s more with breaks\n", count(uint64(rest), what))
	}
}

func (t *text) paths() {
	t.b.WriteByte('\n')
	for _, path := range t.options.Paths {
		fmt.Fprintf(&t.b, "  report  %s\n", Printable(path))
	}
	if len(t.options.Paths) > 0 {
		t.b.WriteByte('\n')
	}
}
