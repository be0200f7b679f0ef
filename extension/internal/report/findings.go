package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// finding is one piece of news about a run. Bad news says that a trace broke or
// that a number cannot be trusted; the rest asks for a look.
type finding struct {
	bad  bool
	text string
}

// findings lists what a reader has to know before any number, the worst first.
// The texts may hold hostile strings.
func (r *Report) findings() []finding {
	var list []finding
	add := func(bad, when bool, format string, args ...any) {
		if when {
			list = append(list, finding{bad, fmt.Sprintf(format, args...)})
		}
	}
	c, s := r.Control, r.Spans
	add(true, c.Injected != c.Detected,
		"%d of %d injected context breaks were not detected",
		c.Injected-min(c.Detected, c.Injected), c.Injected)
	add(true, c.FalseBreak > 0 && c.Injected > 0,
		"%d breaks that no toxic caused", c.FalseBreak)
	add(true, r.silent() && r.Totals.Verdicts[verdict.Missing.String()] > 0,
		"no span arrived from any service, so this says nothing of their context: "+
			"check where they export to")
	add(true, r.Totals.HopBreaks > 0,
		"%s did not appear in the trace: broken, and in no table's row",
		count(r.Totals.HopBreaks, "expected service"))
	add(true, s.Failed+s.Dropped+s.InFlight > 0,
		"%s lost: %d started = %d exported + %d failed + %d dropped + %d in flight",
		count(s.Failed+s.Dropped+s.InFlight, "client span"),
		s.Started, s.Exported, s.Failed, s.Dropped, s.InFlight)
	for _, f := range r.Faults {
		add(false, f.Injected == 0, "phase %s: toxic %s touched no request, of %d that it saw",
			named(f.Phase, outsidePlan), f.Toxic, f.Seen)
	}
	add(false, s.Evicted > 0, "%s settled early, too many were open", count(s.Evicted, "trace"))
	add(false, s.Truncated > 0, "%s beyond the limit per trace", count(s.Truncated, "span"))
	for _, w := range r.Warnings {
		add(false, true, "%s", w)
	}
	return list
}

// silent reports whether no service sent a span. The load's own spans may have
// come back, through a Collector or from files.
func (r *Report) silent() bool {
	s := r.Spans
	return s.Received == 0 || len(r.Services) == 0 && s.Foreign == 0 && s.Late == 0
}

// controlled reports whether breaks can be held against what toxics took: not
// where every attempt is broken because no span arrived.
func (r *Report) controlled() bool { return r.Control.Injected > 0 && !r.silent() }

// outsidePlan names the row of attempts that belong to no phase.
const outsidePlan = "(outside the plan)"

func named(key, unnamed string) string {
	if key == "" {
		return unnamed
	}
	return key
}

// count formats a number of things.
func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// verdictLine is one verdict of the run. Its class is broken, held or neutral.
type verdictLine struct {
	Name, Class string
	Count       uint64
	Share       float64
}

// verdictLines lists the verdicts that occurred: broken ones first, then those
// that say nothing, then held ones; the most frequent first.
func (r *Report) verdictLines() []verdictLine {
	var list []verdictLine
	for _, v := range verdict.All() {
		n := r.Totals.Verdicts[v.String()]
		if n == 0 {
			continue
		}
		share := float64(n) / float64(max(1, r.Totals.Attempts))
		list = append(list, verdictLine{v.String(), verdictClass(v), n, share})
	}
	rank := map[string]int{classBroken: 0, classNeutral: 1, classHeld: 2}
	slices.SortStableFunc(list, func(a, b verdictLine) int {
		return cmp.Or(cmp.Compare(rank[a.Class], rank[b.Class]), cmp.Compare(b.Count, a.Count))
	})
	return list
}

// The classes of verdicts.
const (
	classBroken  = "broken"
	classNeutral = "neutral"
	classHeld    = "held"
)

func verdictClass(v verdict.Verdict) string {
	switch {
	case v.Broken():
		return classBroken
	case v.Held():
		return classHeld
	default:
		return classNeutral
	}
}

// classOf is the class of a verdict by its name; neutral for unknown names.
func classOf(name string) string {
	v, err := verdict.Parse(name)
	if err != nil {
		return classNeutral
	}
	return verdictClass(v)
}

// worst returns at most n rows with breaks, the most broken first.
func worst(rows []Row, n int) (list []Row, rest int) {
	for _, row := range rows {
		if _, _, broken := row.Continuity(); broken > 0 {
			list = append(list, row)
		}
	}
	slices.SortStableFunc(list, func(a, b Row) int { return cmp.Compare(b.Broken, a.Broken) })
	shown := min(n, len(list))
	return list[:shown], len(list) - shown
}

// seenOf is how often the load saw the marks of a toxic. What it saw was scrubbed.
func (r *Report) seenOf(f Fault) uint64 {
	var n uint64
	phase, proxy, toxic := scrub(f.Phase), scrub(f.Proxy), scrub(f.Toxic)
	for _, s := range r.Seen {
		if s.Phase == phase && (s.Proxy == proxy || s.Proxy == "") &&
			s.Toxic == toxic && s.Type == f.Type {
			n += s.Count
		}
	}
	return n
}
