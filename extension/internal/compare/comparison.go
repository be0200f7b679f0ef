package compare

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// SchemaVersion is the version of the JSON that WriteJSON writes.
const SchemaVersion = 1

// Comparison is the outcome of Compare. It is plain data, ready to be written.
type Comparison struct {
	Schema      int          `json:"schema_version"`
	Runs        []Run        `json:"runs"` // base first
	Warnings    []Warning    `json:"warnings,omitempty"`
	Heads       []Head       `json:"comparisons"` // one per run after the base
	Trends      []Trend      `json:"trends,omitempty"`
	Gates       []GateResult `json:"gates,omitempty"`
	Regressions []Finding    `json:"regressions,omitempty"`
	Exit        int          `json:"exit_code"`
}

// Run identifies one report.
type Run struct {
	Label     string    `json:"label"`
	ID        string    `json:"id"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Commit    string    `json:"commit,omitempty"`
	Attempts  uint64    `json:"attempts"`
	Continued *Value    `json:"continuity,omitempty"` // nil: nothing was expected
	// Dispersion is how unevenly attempts broke over time; absent where nothing
	// speaks against independence.
	Dispersion float64 `json:"dispersion,omitempty"`
}

// bursts says how far breaks that come together make intervals too narrow; empty
// where nothing speaks for it.
func (r Run) bursts() string {
	if r.Dispersion <= 1 {
		return ""
	}
	return fmt.Sprintf(
		"%s: breaks come in bursts, so its intervals are about %.2g times too narrow",
		r.Label, math.Sqrt(r.Dispersion))
}

// cautions are the warnings, and what weakens the intervals.
func (c *Comparison) cautions() []string {
	var list []string
	for _, warning := range c.Warnings {
		list = append(list, warning.String())
	}
	for _, r := range c.Runs {
		if note := r.bursts(); note != "" {
			list = append(list, note)
		}
	}
	return list
}

// Warning says why a run is hard to compare with the base.
type Warning struct {
	Run  string `json:"run"`
	What string `json:"what"`
	Base string `json:"base"`
	Head string `json:"head"`
}

// String returns the warning as one line.
func (w Warning) String() string {
	return fmt.Sprintf("%s: %s differs: %s in the base, %s here",
		w.Run, w.What, orNone(w.Base), orNone(w.Head))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("%q", s)
}

// Head is one run compared with the base.
type Head struct {
	Label     string     `json:"label"`
	Tables    []Table    `json:"tables"`
	NewBreaks []NewBreak `json:"new_breaks,omitempty"`
}

// NewBreak is a way to break that the base did not have.
type NewBreak struct {
	Kind  string `json:"kind"`  // verdict, "orphans" or "disconnected"
	Where string `json:"where"` // edge or service; empty for the whole run
	Count uint64 `json:"count"`
	Of    uint64 `json:"of"`
	// Significant breaks are regressions; the others are what chance could explain.
	Significant bool `json:"significant"`
	// P is the p-value of Fisher's exact test that base and head break so at one
	// rate, where it was needed.
	P        *float64  `json:"fisher_p,omitempty"`
	Examples []Example `json:"examples,omitempty"`
}

// String returns the break as one phrase.
func (b NewBreak) String() string {
	return "new kind of break: " + b.name() + ", " + b.share()
}

// share says how often it broke, and whether that proves anything.
func (b NewBreak) share() string {
	text := fmt.Sprintf("%d of %d", b.Count, b.Of)
	switch {
	case b.Significant:
	case b.P == nil:
		text += ", as chance could explain"
	default:
		text += fmt.Sprintf(", as chance could explain (p = %.2g)", *b.P)
	}
	return text
}

func (b NewBreak) name() string {
	if b.Where == "" {
		return b.Kind
	}
	return b.Kind + " on " + b.Where
}

// Example is a trace to look at.
type Example struct {
	TraceID string `json:"trace_id"`
	SpanID  string `json:"span_id"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	Phase   string `json:"phase,omitempty"`
	Name    string `json:"name,omitempty"`
	Method  string `json:"method,omitempty"`
	Service string `json:"service,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Status  int    `json:"status,omitempty"`
}

// Trend is one number over all runs, in the order of the reports.
type Trend struct {
	Name   string   `json:"name"`
	Unit   Unit     `json:"unit"`
	Values []*Value `json:"values"` // nil where a run does not have it
	Marks  []Mark   `json:"marks"`  // against the base; the base's own is "equal"
}

// GateResult is one gate applied to one run.
type GateResult struct {
	Run    string   `json:"run"`
	Gate   string   `json:"gate"`
	Actual *float64 `json:"actual,omitempty"` // nil: the run has no such value
	Passed bool     `json:"passed"`
	Detail string   `json:"detail"`
}

// Finding is one reason for exit code 1.
type Finding struct {
	Run  string `json:"run"`
	What string `json:"what"`
}

// ExitCode returns 0 for no regression and 1 for a regression or, where there
// are gates, a failed gate.
func (c *Comparison) ExitCode() int { return c.Exit }

// Verdict returns the outcome and its reasons in one line.
func (c *Comparison) Verdict() string {
	list := make([]string, 0, len(c.Regressions))
	for _, f := range c.failures() {
		list = append(list, f.Run+": "+f.What)
	}
	if len(list) == 0 {
		return c.headline()
	}
	return c.headline() + ": " + line(strings.Join(list, "; "))
}

// headline is the outcome without its reasons.
func (c *Comparison) headline() string {
	failed := len(c.failures())
	switch {
	case len(c.Gates) > 0 && failed > 0:
		return fmt.Sprintf("%d of %s failed", failed, plural(len(c.Gates), "gate"))
	case len(c.Gates) == 1:
		return "the gate passed"
	case len(c.Gates) > 1:
		return fmt.Sprintf("all %d gates passed", len(c.Gates))
	case failed > 0:
		return "regression"
	default:
		return "no regression"
	}
}

// failures are the reasons for exit code 1: gates decide alone when there are
// any.
func (c *Comparison) failures() []Finding {
	if len(c.Gates) == 0 {
		return c.Regressions
	}
	var list []Finding
	for _, g := range c.Gates {
		if !g.Passed {
			list = append(list, Finding{Run: g.Run, What: g.Gate + " (" + g.Detail + ")"})
		}
	}
	return list
}
