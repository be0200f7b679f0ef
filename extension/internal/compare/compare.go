package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// Options says how reports are compared.
type Options struct {
	Strict bool     // refuse runs that are not comparable
	Gates  []Gate   // conditions on every run after the base
	Labels []string // one per report, or none: the run ids
}

// ErrNotComparable is what Compare returns in strict mode for runs that differ
// in what was measured.
var ErrNotComparable = errors.New("runs are not comparable")

// Compare compares every report with the first one. The reports are not
// changed. The same report may be given more than once.
func Compare(reports []*report.Report, o Options) (*Comparison, error) {
	if len(reports) < 2 {
		return nil, fmt.Errorf("comparing runs: want two or more reports, got %d", len(reports))
	}
	if len(o.Labels) > 0 && len(o.Labels) != len(reports) {
		return nil, fmt.Errorf("comparing runs: got %s for %s: want one label per report",
			plural(len(o.Labels), "label"), plural(len(reports), "report"))
	}
	sides := make([]side, len(reports))
	for i, r := range reports {
		if r == nil {
			return nil, fmt.Errorf("comparing runs: report %d is nil", i+1)
		}
		sides[i] = newSide(r, o.label(i, r))
	}
	c := &Comparison{Schema: SchemaVersion}
	for i := range sides {
		c.Runs = append(c.Runs, sides[i].run())
		if i > 0 {
			c.Warnings = append(c.Warnings, warnings(&sides[0], &sides[i])...)
		}
	}
	if o.Strict && len(c.Warnings) > 0 {
		return nil, notComparable(c.Warnings)
	}
	c.fill(sides, o.Gates)
	return c, nil
}

func (o Options) label(i int, r *report.Report) string {
	if len(o.Labels) > 0 {
		return o.Labels[i]
	}
	return r.Run.ID
}

func notComparable(list []Warning) error {
	text := make([]string, len(list))
	for i, w := range list {
		text[i] = line(w.String())
	}
	return fmt.Errorf("%w: %s", ErrNotComparable, strings.Join(text, "; "))
}

func (c *Comparison) fill(sides []side, gates []Gate) {
	base, verdicts := &sides[0], present(sides)
	for i := range sides[1:] {
		head := &sides[i+1]
		h := Head{
			Label:     head.label,
			Tables:    tables(base, head, verdicts),
			NewBreaks: newBreaks(base, head),
		}
		c.Heads = append(c.Heads, h)
		c.Regressions = append(c.Regressions, unknown(c.Runs[0], c.Runs[i+1])...)
		c.Regressions = append(c.Regressions, h.regressions()...)
		for _, g := range gates {
			c.Gates = append(c.Gates, g.apply(base, head))
		}
	}
	if len(sides) > 2 {
		c.Trends = trends(c.Heads)
	}
	if len(c.failures()) > 0 {
		c.Exit = 1
	}
}

// unknown is the finding on a run that decided nothing, where the base did.
func unknown(base, head Run) []Finding {
	if base.Continued == nil || head.Continued != nil {
		return nil
	}
	return []Finding{{head.Label, fmt.Sprintf(
		"continuity is unknown: of %d attempts none was held or broken", head.Attempts)}}
}

// newlyOrphaned reports whether an edge is found as a new kind of break.
func (h Head) newlyOrphaned(edge string) bool {
	return slices.ContainsFunc(h.NewBreaks, func(b NewBreak) bool {
		return b.Significant && b.Kind == breakOrphans && b.Where == edge
	})
}

// regressions applies the rule of the package comment.
func (h Head) regressions() []Finding {
	var list []Finding
	add := func(format string, args ...any) {
		list = append(list, Finding{Run: h.Label, What: fmt.Sprintf(format, args...)})
	}
	for _, t := range h.Tables {
		for _, r := range t.Rows {
			if r.Mark != MarkWorse {
				continue
			}
			switch {
			case t.Title == tableRun && r.Name == rateContinuity:
				add("continuity fell from %s to %s (%s, interval %s)", valueText(r.Base, r.Unit),
					valueText(r.Head, r.Unit), changeText(r), limitsText(r))
			case t.Title == tableEdges && !h.newlyOrphaned(r.Name):
				add("spans that found their parent fell from %s to %s on %s",
					valueText(r.Base, r.Unit), valueText(r.Head, r.Unit), r.Name)
			}
		}
	}
	for _, b := range h.NewBreaks {
		if b.Significant {
			add("%s", b)
		}
	}
	return list
}
