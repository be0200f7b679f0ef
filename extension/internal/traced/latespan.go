package traced

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// lateSpan is a span of which the SDK learns when it has ended. It begins with
// all of its attributes then: the SDK copies those of a span with every few that
// are added, at more than the price of the span. The ledger counts it from its
// real begin.
type lateSpan struct {
	ids    presetIDs
	kind   trace.SpanStartOption
	parent context.Context // carries the parent, if there is one
	start  time.Time
	name   string
}

// begin counts the span.
func (p *Provider) begin(s lateSpan) *lateSpan {
	if p.ledger != nil {
		p.ledger.begin()
	}
	return &s
}

// attributeList is room for attributes, which the SDK copies.
type attributeList struct{ list []attribute.KeyValue }

// make makes the span with the attributes that are added.
func (p *Provider) make(
	s *lateSpan, add func([]attribute.KeyValue) []attribute.KeyValue,
) trace.Span {
	room, ok := p.rooms.Get().(*attributeList)
	if !ok {
		room = &attributeList{}
	}
	room.list = add(room.list[:0])
	_, span := p.tracer.Start(&creation{s.parent, s.ids, room}, s.name,
		s.kind, trace.WithTimestamp(s.start))
	clear(room.list)
	p.rooms.Put(room)
	return span
}

// handsOver is a sampler that knows the attributes of a [lateSpan] and gives them
// to the SDK: those that an option brings are copied once more.
type handsOver struct{ sdktrace.Sampler }

// ShouldSample implements sdktrace.Sampler.
func (s handsOver) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	c := creationOf(p.ParentContext)
	if c == nil || c.late == nil {
		return s.Sampler.ShouldSample(p)
	}
	p.Attributes = c.late.list
	result := s.Sampler.ShouldSample(p)
	result.Attributes = c.late.list // the samplers here add none
	return result
}
