package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// The bounds of one example.
const (
	maxExampleAttempts = 20
	maxExampleSpans    = 40
	maxExampleMarks    = 8
)

// reservoir is a uniform sample of the traces of one verdict.
type reservoir struct {
	offered int
	kept    []Example
}

// wants reports whether examples of a verdict are of use to anyone.
func (b *Builder) wants(v verdict.Verdict) bool {
	return v.Broken() || v == verdict.Duplicated || v == verdict.Undecided || v == verdict.Continued
}

// keep offers the i-th attempt's trace to the sample of its verdict.
func (b *Builder) keep(v verdict.Verdict, o verdict.Outcome, i int) {
	r := b.examples[v]
	if r == nil {
		r = &reservoir{}
		b.examples[v] = r
	}
	size := b.options.Examples
	if !v.Broken() {
		size = max(1, size/4)
	}
	r.offered++
	place := len(r.kept)
	if place >= size {
		if place = b.random.IntN(r.offered); place >= size {
			return
		}
		r.kept[place] = newExample(o, i)
		return
	}
	r.kept = append(r.kept, newExample(o, i))
}

func newExample(o verdict.Outcome, i int) Example {
	e := Example{
		Verdict: o.Results[i].Verdict.String(),
		Reason:  scrub(o.Results[i].Reason),
		TraceID: o.Trace.ID,
	}
	zero := o.Results[0].Attempt.Start
	for _, r := range o.Results {
		zero = min(zero, r.Attempt.Start)
	}
	first := max(0, min(i-maxExampleAttempts/2, len(o.Results)-maxExampleAttempts))
	last := min(len(o.Results), first+maxExampleAttempts)
	e.Unlisted = len(o.Results) - (last - first)
	for j := range o.Results[first:last] {
		e.Attempts = append(e.Attempts, newExampleAttempt(&o.Results[first+j], zero))
	}
	slices.SortStableFunc(e.Attempts, func(a, b ExampleAttempt) int {
		return cmp.Compare(a.StartMS, b.StartMS)
	})
	for _, list := range [][]span.Record{o.Trace.Spans, o.Trace.Claimed} {
		for j := range list {
			if len(e.Spans) >= maxExampleSpans {
				e.Omitted++
				continue
			}
			e.Spans = append(e.Spans, newExampleSpan(&list[j], zero, list[j].TraceID != o.Trace.ID))
		}
	}
	return e
}

func ms(nanoseconds int64) float64 {
	return float64(time.Duration(nanoseconds).Round(time.Microsecond)) / float64(time.Millisecond)
}

func newExampleAttempt(r *verdict.Result, zero int64) ExampleAttempt {
	a := r.Attempt
	out := ExampleAttempt{
		SpanID: a.SpanID, ParentID: a.Operation, Number: int(a.Number), Resend: int(a.Resend),
		Verdict: r.Verdict.String(), Reason: scrub(r.Reason),
		Method: scrub(a.Labels.Method), Name: requestName(a.Labels), Phase: scrub(a.Labels.Phase),
		Status: int(a.Status), ErrorType: scrub(a.ErrorType),
		StartMS: ms(a.Start - zero), DurationMS: ms(a.Duration),
		BackoffMS: ms(a.Backoff), BlockedMS: ms(a.Blocked),
	}
	if a.Marks != nil {
		for _, m := range a.Marks.List[:min(len(a.Marks.List), maxExampleMarks)] {
			mark := span.Mark{
				Type: scrub(m.Type), Mode: scrub(m.Mode),
				Name: scrub(m.Name), Proxy: scrub(m.Proxy),
			}
			out.Toxics = append(out.Toxics, mark)
		}
	}
	return out
}

func newExampleSpan(r *span.Record, zero int64, claimed bool) ExampleSpan {
	return ExampleSpan{
		TraceID: r.TraceID, SpanID: r.SpanID, ParentID: r.ParentID,
		Service: scrub(r.Descriptor.Service), Name: scrub(r.Descriptor.Name),
		Kind: kindName(r.Kind), Status: int(r.Status),
		StartMS: ms(r.Start - zero), DurationMS: ms(r.End - r.Start), Claimed: claimed,
	}
}

func kindName(k span.Kind) string {
	switch k {
	case span.KindInternal:
		return "INTERNAL"
	case span.KindServer:
		return "SERVER"
	case span.KindClient:
		return "CLIENT"
	case span.KindProducer:
		return "PRODUCER"
	case span.KindConsumer:
		return "CONSUMER"
	default:
		return "KIND " + strconv.Itoa(int(k))
	}
}

// reportExamples lists the examples, the worst verdicts first.
func (b *Builder) reportExamples() []Example {
	var out []Example
	order := []verdict.Verdict{
		verdict.Missing, verdict.Restarted, verdict.Reparented, verdict.SpanLost,
		verdict.Duplicated, verdict.Undecided, verdict.Continued,
	}
	for _, v := range order {
		if r := b.examples[v]; r != nil {
			out = append(out, r.kept...)
		}
	}
	return out
}

// request names what an attempt asked for. The names of requests often start
// with the method already.
func (a *ExampleAttempt) request() string {
	if a.Method == "" || strings.HasPrefix(a.Name, a.Method+" ") {
		return a.Name
	}
	return a.Method + " " + a.Name
}
