package traced

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

type activeKey struct{}

// activeSpan is the application span that a context carries, if it carries one.
func activeSpan(ctx context.Context) (tracecontext.Traceparent, bool) {
	found, ok := ctx.Value(activeKey{}).(*tracecontext.Traceparent)
	if !ok {
		return tracecontext.Traceparent{}, false
	}
	return *found, true
}

// AppSpan is a span of the script itself, around its requests.
type AppSpan struct {
	traceID tracecontext.TraceID
	spanID  tracecontext.SpanID
	span    trace.Span // nil without SDK spans
	sink    Sink       // told when a root ends; nil for a child
	ctx     context.Context
	once    sync.Once
}

// StartSpan starts an application span under the one in ctx, or as the root of
// a new trace, and returns a context that requests join. Attribute values are
// strings, booleans, numbers or slices of one of these.
func (p *Provider) StartSpan(
	ctx context.Context, name string, attributes []attribute.KeyValue, sink Sink,
) (context.Context, *AppSpan) {
	app := &AppSpan{spanID: newSpanID(), ctx: ctx}
	parent, nested := activeSpan(ctx)
	if nested {
		app.traceID = parent.TraceID
	} else {
		app.traceID = newTraceID()
		app.sink = sink
		sink.Open(app.traceID)
	}
	sampled := p.sampler.sample(app.traceID, parent)
	if bool(sampled) && p.exporting() {
		start := &creation{
			withParent(ctx, parent, "", false), presetIDs{app.traceID, app.spanID}, nil,
		}
		_, app.span = p.tracer.Start(start, name,
			p.internal, trace.WithAttributes(attributes...))
	}
	return context.WithValue(ctx, activeKey{}, &tracecontext.Traceparent{
		TraceID: app.traceID, SpanID: app.spanID, Flags: sampled.flags(),
	}), app
}

// TraceID is the trace of the span.
func (s *AppSpan) TraceID() tracecontext.TraceID { return s.traceID }

// SpanID is the span's own id.
func (s *AppSpan) SpanID() tracecontext.SpanID { return s.spanID }

// Span is the SDK's span; nil when nothing is exported.
func (s *AppSpan) Span() trace.Span { return s.span }

// End ends the span, once; an error makes its status Error.
func (s *AppSpan) End(err error) {
	s.once.Do(func() {
		if s.span != nil {
			if err != nil && !interrupted(s.ctx, err) {
				s.span.SetStatus(codes.Error, statusMessage(err))
			}
			s.span.End()
		}
		if s.sink != nil {
			s.sink.Close(s.traceID)
		}
	})
}

// PreparedSpan collects what a request hook sets before its attempt is sent.
type PreparedSpan struct {
	traceID    tracecontext.TraceID
	spanID     tracecontext.SpanID
	name       string
	attributes []attribute.KeyValue
	events     []preparedEvent
}

type preparedEvent struct {
	name       string
	attributes []attribute.KeyValue
}

// Prepare chooses the id of the next round trip's span and returns a stand-in
// for it. The caller must finish with it before the attempt is sent.
func (op *Operation) Prepare() *PreparedSpan {
	p := &PreparedSpan{traceID: op.traceID, spanID: newSpanID()}
	op.mu.Lock()
	defer op.mu.Unlock()
	op.prepared = p
	return p
}

// TraceID is the trace of the span to come.
func (p *PreparedSpan) TraceID() tracecontext.TraceID { return p.traceID }

// SpanID is the id of the span to come.
func (p *PreparedSpan) SpanID() tracecontext.SpanID { return p.spanID }

// SetAttributes adds attributes to the span to come.
func (p *PreparedSpan) SetAttributes(attributes ...attribute.KeyValue) {
	p.attributes = append(p.attributes, attributes...)
}

// AddEvent adds an event to the span to come.
func (p *PreparedSpan) AddEvent(name string, attributes ...attribute.KeyValue) {
	p.events = append(p.events, preparedEvent{name, attributes})
}

// UpdateName renames the span to come.
func (p *PreparedSpan) UpdateName(name string) { p.name = name }

// addEvents adds the events to the span that was made, at its start.
func (p *PreparedSpan) addEvents(span trace.Span, start time.Time) {
	for _, event := range p.events {
		span.AddEvent(event.name,
			trace.WithTimestamp(start), trace.WithAttributes(event.attributes...))
	}
}
