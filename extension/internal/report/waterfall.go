package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// waterfall is an example as the page draws it.
type waterfall struct {
	Example
	Class, Text, Phases string
	Search              string // what the filter looks in
	Ticks               []tick
	Bars                []bar
}

// tick is a mark of the time axis.
type tick struct {
	X, Anchor, Text string
}

// bar is one line of a waterfall: an operation, attempt, backoff or span, or
// the place of one that is missing. X and Width are percentages.
type bar struct {
	Class, Label, Note string
	Depth              int
	X, Width           string
	Root               *tracecontext.TraceID // another trace that the line belongs to
}

// maxDepth bounds the indentation of a waterfall.
const maxDepth = 12

// skew bounds how far from the attempts, in milliseconds, a span is drawn to
// scale: a service's clock may be hours off.
const skew = 60_000

// drawing places the lines of one waterfall.
type drawing struct {
	example  Example
	from, to float64
	bars     []bar
	drawn    map[tracecontext.SpanID]bool
	children map[tracecontext.SpanID][]int // indexes of spans by their parent
}

func newWaterfall(e Example) waterfall {
	d := &drawing{
		example: e, to: 1, drawn: make(map[tracecontext.SpanID]bool),
		children: make(map[tracecontext.SpanID][]int),
	}
	d.scale()
	for _, a := range e.Attempts { // the load's own spans are drawn as attempts
		d.drawn[a.SpanID], d.drawn[a.ParentID] = true, true
	}
	for i, s := range e.Spans {
		d.children[s.ParentID] = append(d.children[s.ParentID], i)
	}
	d.operations()
	d.loose()
	w := waterfall{
		Example: e, Class: classOf(e.Verdict), Bars: d.bars, Ticks: d.ticks(),
		Text: short(e.Reason),
	}
	w.Phases, w.Search = e.search()
	return w
}

// scale finds the time that the waterfall covers.
func (d *drawing) scale() {
	for _, a := range d.example.Attempts {
		d.from = min(d.from, a.StartMS-a.BackoffMS)
		d.to = max(d.to, a.StartMS+a.DurationMS)
	}
	last := d.to
	for _, s := range d.example.Spans {
		if s.StartMS > -skew && s.StartMS+s.DurationMS < last+skew {
			d.from, d.to = min(d.from, s.StartMS), max(d.to, s.StartMS+s.DurationMS)
		}
	}
}

func (d *drawing) ticks() []tick {
	const n = 4
	anchors := [n + 1]string{0: "start", n: "end"}
	out := make([]tick, 0, n+1)
	for i := range n + 1 {
		anchor := anchors[i]
		if anchor == "" {
			anchor = "middle"
		}
		at := d.from + (d.to-d.from)*float64(i)/n
		out = append(out, tick{percentage(float64(i) / n), anchor, signedMS(at)})
	}
	return out
}

func signedMS(v float64) string {
	if v < 0 {
		return "-" + formatMS(-v)
	}
	return formatMS(v)
}

func percentage(share float64) string {
	return strconv.FormatFloat(share*100, 'f', 2, 64) + "%"
}

// add appends a line at its place; half a percent at least is visible.
func (d *drawing) add(b bar, start, length float64) {
	const least = 0.005
	left := min(max((start-d.from)/(d.to-d.from), 0), 1-least)
	b.X, b.Width = percentage(left), percentage(min(max(length/(d.to-d.from), least), 1-left))
	b.Depth = min(b.Depth, maxDepth)
	d.bars = append(d.bars, b)
}

// operations draws each operation with its attempts, in order of time.
func (d *drawing) operations() {
	done := make(map[tracecontext.SpanID]bool)
	for i, a := range d.example.Attempts {
		if a.ParentID == (tracecontext.SpanID{}) {
			d.attempts(d.example.Attempts[i:i+1], 0)
			continue
		}
		if done[a.ParentID] {
			continue
		}
		done[a.ParentID] = true
		var list []ExampleAttempt
		from, to := a.StartMS, a.StartMS
		for _, other := range d.example.Attempts {
			if other.ParentID == a.ParentID {
				list = append(list, other)
				from, to = min(from, other.StartMS), max(to, other.StartMS+other.DurationMS)
			}
		}
		d.add(bar{
			Class: "operation", Label: "operation " + short(a.Name),
			Note: fmt.Sprintf("%s, %s", count(uint64(len(list)), "attempt"), formatMS(to-from)),
		}, from, to-from)
		d.attempts(list, 1)
	}
}

func (d *drawing) attempts(list []ExampleAttempt, depth int) {
	for _, a := range list {
		if a.BackoffMS > 0 {
			d.add(bar{
				Class: "backoff", Label: "backoff", Note: formatMS(a.BackoffMS), Depth: depth,
			}, a.StartMS-a.BackoffMS, a.BackoffMS)
		}
		d.add(bar{
			Class: "attempt " + classOf(a.Verdict), Depth: depth, Note: attemptNote(a),
			Label: fmt.Sprintf("attempt %d %s", a.Number, short(a.request())),
		}, a.StartMS, a.DurationMS)
		if what := absent(a); what != "" {
			d.add(bar{Class: "absent", Label: what, Note: short(a.Reason), Depth: depth + 1},
				a.StartMS, a.DurationMS)
		}
		d.spansBelow(a.SpanID, depth+1)
	}
}

// absent says what is missing below an attempt; nothing for one that held or
// of which nothing was due.
func absent(a ExampleAttempt) string {
	switch a.Verdict {
	case "missing":
		return "SERVER span missing"
	case "span_lost":
		return "SERVER span lost"
	case "restarted":
		return "SERVER span in another trace"
	case "reparented":
		return "SERVER span under another parent"
	default:
		return ""
	}
}

func attemptNote(a ExampleAttempt) string {
	status := "status " + strconv.Itoa(a.Status)
	if a.Status == 0 && a.ErrorType != "" {
		status = short(a.ErrorType)
	}
	note := []string{short(a.Verdict), status, formatMS(a.DurationMS)}
	if a.BlockedMS > 0 {
		note = append(note, "waited "+formatMS(a.BlockedMS)+" for a connection")
	}
	if a.Phase != "" {
		note = append(note, "phase "+short(a.Phase))
	}
	for _, m := range a.Toxics {
		note = append(note, "toxic "+short(strings.TrimSpace(m.Name+" "+m.Type+" "+m.Mode)))
	}
	return strings.Join(note, ", ")
}

// spansBelow draws the spans of the tree below a span.
func (d *drawing) spansBelow(parent tracecontext.SpanID, depth int) {
	for _, i := range d.children[parent] {
		d.span(d.example.Spans[i], depth, "")
	}
}

// loose draws the spans that hang below nothing known.
func (d *drawing) loose() {
	for _, s := range d.example.Spans {
		switch {
		case d.drawn[s.SpanID]:
		case s.Claimed:
			d.span(s, 0, "tied to the attempt by its User-Agent")
		case s.ParentID == tracecontext.SpanID{}:
			d.span(s, 0, "a root of its own")
		case d.parentListed(s):
		default:
			d.span(s, 0, "orphan: its parent "+s.ParentID.String()+" never arrived")
		}
	}
	for _, s := range d.example.Spans { // what is left hangs below itself
		d.span(s, 0, "part of a cycle")
	}
}

func (d *drawing) parentListed(s ExampleSpan) bool {
	for _, other := range d.example.Spans {
		if other.SpanID == s.ParentID && other.TraceID == s.TraceID {
			return true
		}
	}
	return false
}

func (d *drawing) span(s ExampleSpan, depth int, note string) {
	if d.drawn[s.SpanID] {
		return
	}
	d.drawn[s.SpanID] = true
	b := bar{
		Class: "span " + spanClass(s), Depth: depth,
		Label: short(s.Service) + " " + short(s.Name),
		Note:  fmt.Sprintf("%s, %s", short(s.Kind), formatMS(s.DurationMS)),
	}
	if s.Status != 0 {
		b.Note += ", status " + strconv.Itoa(s.Status)
	}
	if note != "" {
		b.Note += ", " + note
	}
	if s.TraceID != d.example.TraceID {
		b.Root = &s.TraceID
	}
	d.add(b, s.StartMS, s.DurationMS)
	d.spansBelow(s.SpanID, depth+1)
}

func spanClass(s ExampleSpan) string {
	switch {
	case s.Claimed:
		return "claimed"
	case s.Kind == "SERVER":
		return "server"
	default:
		return "inner"
	}
}

// search returns the phases of an example, separated by newlines, and the text
// in which the filter looks.
func (e Example) search() (phases, text string) {
	seen := make(map[string]bool)
	var words, list []string
	add := func(s string) {
		if s != "" && !seen[s] {
			seen[s] = true
			words = append(words, s)
		}
	}
	add(e.Verdict)
	add(e.Reason)
	add(e.TraceID.String())
	for _, a := range e.Attempts {
		if a.Phase != "" && !seen[a.Phase] {
			list = append(list, short(a.Phase))
		}
		add(a.Phase)
		add(a.Name)
		add(a.Method)
	}
	for _, s := range e.Spans {
		add(s.Service)
	}
	return strings.Join(list, "\n"), strings.ToLower(Printable(clip(strings.Join(words, " "))))
}
