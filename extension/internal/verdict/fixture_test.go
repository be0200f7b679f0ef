package verdict_test

import (
	"strconv"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// The ids of the fixtures: attempts are 1, 2, …; their operation is 90, an
// application span around it 95; an id that nobody reported is 99; the spans of
// services are 10 and up.
const (
	operation = 90
	appSpan   = 95
	nowhere   = 99
	none      = 0
)

// ours is the trace of the fixtures, other another one.
func ours() tracecontext.TraceID  { return tracecontext.TraceID{0xa} }
func other() tracecontext.TraceID { return tracecontext.TraceID{0xb} }

func id(n byte) tracecontext.SpanID { return tracecontext.SpanID{n} }

// attempt is an attempt that was sampled, sent once and answered with 200.
func attempt(n byte, change ...func(*span.Attempt)) span.Attempt {
	a := span.Attempt{
		TraceID: ours(), SpanID: id(n), Operation: id(operation), Number: uint16(n), Sends: 1,
		Status: 200, Sampled: true, Outcome: span.OutcomeAnswered, Start: int64(n),
		Labels: &span.Labels{Name: "http://shop/items/7", Method: "GET", Service: "gateway"},
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func failed(a *span.Attempt)             { a.Status = 503 }
func sends(n uint16) func(*span.Attempt) { return func(a *span.Attempt) { a.Sends = n } }
func state(s string) func(*span.Attempt) { return func(a *span.Attempt) { a.TraceState = s } }
func unsampled(a *span.Attempt)          { a.Sampled = false }
func excluded(a *span.Attempt)           { a.Excluded, a.Sampled = true, false }
func noService(a *span.Attempt)          { a.Labels = &span.Labels{Method: "GET"} }
func toxic(mode string) func(*span.Attempt) {
	return func(a *span.Attempt) {
		a.Status = 503
		a.Marks = &span.Marks{List: []span.Mark{{Type: "http_status", Mode: mode}}}
	}
}

func mangled(a *span.Attempt) {
	a.Marks = &span.Marks{List: []span.Mark{{Type: "http_header", Mode: "context-changed"}}}
}

func notSent(a *span.Attempt) {
	a.Outcome, a.Status, a.ErrorType = span.OutcomeNotSent, 0, "connection_refused"
}

func reset(a *span.Attempt) {
	a.Outcome, a.Status, a.ErrorType = span.OutcomeSentFailed, 0, "connection_reset"
}

// reported is a span of a service in the attempts' trace.
func reported(
	kind span.Kind, service string, n, parent byte, change ...func(*span.Record),
) span.Record {
	r := span.Record{
		TraceID: ours(), SpanID: id(n), Kind: kind, Start: int64(n), Status: 200, Flags: 0x301,
		Descriptor: &span.Descriptor{Service: service, Method: "GET", Route: "/items/{id}"},
	}
	if parent != none {
		r.ParentID = id(parent)
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func server(service string, n, parent byte, change ...func(*span.Record)) span.Record {
	return reported(span.KindServer, service, n, parent, change...)
}

func client(service string, n, parent byte, change ...func(*span.Record)) span.Record {
	return reported(span.KindClient, service, n, parent, change...)
}

func inner(service string, n, parent byte) span.Record {
	return reported(span.KindInternal, service, n, parent)
}

// own is a span of the load, come back through a Collector.
func own(kind span.Kind, n, parent byte) span.Record {
	r := reported(kind, "k6", n, parent)
	r.Descriptor.Scope = span.LoadScope
	return r
}

// elsewhere puts a span into another trace.
func elsewhere(r *span.Record) { r.TraceID = other() }

// claims gives a span the User-Agent of an attempt.
func claims(n byte) func(*span.Record) {
	return func(r *span.Record) {
		r.Claim = tracecontext.Correlation{TraceID: ours(), SpanID: id(n)}
	}
}

// claimsElsewhere gives a span the User-Agent of an attempt of another trace.
func claimsElsewhere(r *span.Record) {
	r.Claim = tracecontext.Correlation{TraceID: other(), SpanID: id(1)}
}

func hourOff(r *span.Record)                    { r.Start -= 3_600_000_000_000; r.End = r.Start }
func failing(r *span.Record)                    { r.Status = 503 }
func flagged(f uint32) func(*span.Record)       { return func(r *span.Record) { r.Flags = f } }
func stated(s string) func(*span.Record)        { return func(r *span.Record) { r.TraceState = s } }
func attempts(a ...span.Attempt) []span.Attempt { return a }
func spans(r ...span.Record) []span.Record      { return r }

// summary writes the verdicts in the order of the attempts, with their flags.
func summary(o verdict.Outcome) string {
	words := make([]string, 0, len(o.Results))
	for _, r := range o.Results {
		word := r.Verdict.String()
		if r.Via > 0 {
			word += " via " + strconv.Itoa(r.Via)
		}
		switch {
		case r.Explained:
			word += " explained"
		case r.Inferred:
			word += " inferred"
		case r.RecordedUnsampled:
			word += " recorded"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// trace is a settled trace whose spans were all there, or never came.
func trace(a []span.Attempt, s []span.Record) *join.Trace {
	t := &join.Trace{ID: ours(), Attempts: a, Reason: join.ReasonTimeout}
	for _, r := range s {
		if r.TraceID == ours() {
			t.Spans = append(t.Spans, r)
		} else {
			t.Claimed = append(t.Claimed, r)
		}
	}
	return t
}
