package report

import (
	"slices"
	"strconv"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// maxExampleSpans bounds the spans of one example.
const maxExampleSpans = 40

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
		Reason:  clip(o.Results[i].Reason),
		TraceID: o.Trace.ID,
	}
	zero := o.Results[0].Attempt.Start
	for _, r := range o.Results {
		zero = min(zero, r.Attempt.Start)
	}
	for j := range o.Results {
		e.Attempts = append(e.Attempts, newExampleAttempt(&o.Results[j], zero))
	}
	slices.SortStableFunc(e.Attempts, func(a, b ExampleAttempt) int {
		return int(a.StartMS*1000) - int(b.StartMS*1000)
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
		SpanID:   a.SpanID,
		ParentID: a.Operation,
		Number:   int(a.Number),
		Resend:   int(a.Resend),
		Verdict:  r.Verdict.String(),
		Reason:   clip(r.Reason),
		Method:   clip(a.Labels.Method),
		Name: requestName(
			a.Labels,
		),
		Phase:      a.Labels.Phase,
		Status:     int(a.Status),
		ErrorType:  a.ErrorType,
		StartMS:    ms(a.Start - zero),
		DurationMS: ms(a.Duration),
		BackoffMS:  ms(a.Backoff),
		BlockedMS:  ms(a.Blocked),
	}
	if a.Marks != nil {
		for _, m := range a.Marks.List {
			out.Toxics = append(
				out.Toxics,
				span.Mark{Type: clip(m.Type), Mode: clip(m.Mode), Name: clip(m.Name)},
			)
		}
	}
	return out
}

func newExampleSpan(r *span.Record, zero int64, claimed bool) ExampleSpan {
	return ExampleSpan{
		TraceID:    r.TraceID,
		SpanID:     r.SpanID,
		ParentID:   r.ParentID,
		Service:    clip(r.Descriptor.Service),
		Name:       clip(r.Descriptor.Name),
		Kind:       kindName(r.Kind),
		Status:     int(r.Status),
		StartMS:    ms(r.Start - zero),
		DurationMS: ms(r.End - r.Start),
		Claimed:    claimed,
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
