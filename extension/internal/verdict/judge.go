package verdict

import (
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// Result is the verdict on one attempt.
type Result struct {
	Attempt           *span.Attempt
	Verdict           Verdict
	Server            *span.Record // the SERVER span that decided; nil for none
	Via               int          // spans between the client span and Server
	Inferred          bool         // tied to the attempt without its ids
	Explained         bool         // the transport sent a duplicated attempt more than once
	RecordedUnsampled bool         // a SERVER span came for an unsampled attempt
	Injected          bool         // a toxic says that it took or mangled the trace context
	Reason            string       // short, lower case; empty for continued
}

// Edge counts the calls from one service to another in one trace. From is
// [Load] for the load itself and [Unknown] for a parent that never arrived.
type Edge struct {
	From, To string
	Spans    uint64 // SERVER and CONSUMER spans of the edge
	Orphans  uint64 // of those, spans that are not connected to their caller
}

// Names of the ends of an edge that are not services.
const (
	Load    = "(load)"
	Unknown = "(unknown)"
	Unnamed = "(unnamed)" // a service without service.name
)

// Presence says whether a service appeared below an attempt.
type Presence struct {
	Service   string
	Connected bool
}

// Outcome is what one settled trace adds to a report.
type Outcome struct {
	Trace           *join.Trace
	Results         []Result // one per attempt, in the order of the attempts
	Edges           []Edge
	Services        []Presence
	ExpectedMissing []string // expected services that did not appear, connected
	FlagBreaks      uint64   // SERVER spans of a sampled attempt that say unsampled
	StateBreaks     uint64   // SERVER spans that lost the tracestate that was sent
}

// Waited reports whether the trace was waited for and had anything to wait for:
// of attempts that are not traced no span is due.
func (o *Outcome) Waited() bool {
	return o.Trace.Waited() && slices.ContainsFunc(o.Results, func(r Result) bool {
		return r.Verdict != Unsampled && r.Verdict != Excluded
	})
}

// Unsure reports whether the attempt cannot be held against what toxics say
// they did: it broke and got no answer, which would carry the mark, or it is
// marked and held, and was sent more than once.
func (r *Result) Unsure() bool {
	switch {
	case r.Verdict.Broken():
		return !r.Injected && r.Attempt.Outcome != span.OutcomeAnswered
	case r.Verdict.Held():
		return r.Injected && r.Attempt.Sends > 1
	default:
		return false
	}
}

// Options are what users ask of a trace beyond its ids.
type Options struct {
	Expect []string // services that must appear, connected
}

// rule decides an attempt or leaves it to the next one.
type rule func(f *family, a *span.Attempt, r *Result) bool

func rules() []rule {
	return []rule{
		excluded,
		unsampled,
		descended,
		reparented,
		restarted,
		consumed,
		reparentedInferred,
		notDelivered,
		undecided,
		spanLost,
		restartedInferred,
		missing,
	}
}

// Judge decides settled traces, one after the other. It is not safe for
// concurrent use.
type Judge struct {
	options Options
	rules   []rule
	family  *family
}

// NewJudge returns a judge with the options.
func NewJudge(o Options) *Judge {
	return &Judge{options: o, rules: rules(), family: newFamily()}
}

// Decide decides every attempt of a settled trace.
func (j *Judge) Decide(t *join.Trace) Outcome {
	f := j.family
	f.gather(t)
	defer f.forget()
	out := Outcome{Trace: t, Results: make([]Result, len(t.Attempts))}
	for i := range t.Attempts {
		a := &t.Attempts[i]
		r := &out.Results[i]
		r.Attempt, r.Injected = a, injected(a)
		for _, decide := range j.rules {
			if decide(f, a, r) {
				break
			}
		}
	}
	out.Edges, out.Services = f.hops(out.Results)
	out.ExpectedMissing = f.expect(j.options.Expect, out)
	out.FlagBreaks, out.StateBreaks = f.flags()
	return out
}

// injected reports whether a toxic marked the attempt as stripped of its context.
func injected(a *span.Attempt) bool {
	return a.Marks != nil && slices.ContainsFunc(a.Marks.List, func(m span.Mark) bool {
		return strings.HasPrefix(m.Mode, "context-")
	})
}
