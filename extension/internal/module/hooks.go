package module

import (
	"errors"
	"fmt"
	"math"

	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// hookState runs the hooks of one request. Hooks run on the JavaScript thread,
// before and after every attempt; an error in one is counted, told of once, and
// never changes the request. Only an interruption of the VU goes through.
type hookState struct {
	request, response sobek.Callable
}

// configure takes the hooks, unless the request is made by a hook itself.
func (h *hookState) configure(i *instance, o *clientOptions) {
	if !i.spans.inHook {
		h.request, h.response = o.requestHook, o.responseHook
	}
}

// before runs the request hook for the attempt that is about to be sent.
func (h *hookState) before(s *send) {
	if h.request == nil || s.op.Excluded() {
		return
	}
	prepared := s.op.Prepare()
	span := newJSSpan(
		prepared.TraceID().String(), prepared.SpanID().String(), preparedWriter{prepared})
	s.client.instance.hook("requestHook", h.request, span,
		map[string]any{"method": s.method, "url": s.target, "attempt": s.attempts + 1})
	span.sink = spanWriter{} // the attempt is sent: what comes later is too late
}

// after runs the response hook for the attempt that has ended, then ends its
// span. An attempt without a response, as with `throw`, has nothing to show.
func (h *hookState) after(s *send, resp *k6http.Response, err error) {
	if h.response == nil || s.op.Excluded() {
		return
	}
	defer s.op.Release()
	if err == nil && resp != nil && s.trips.Load() > 0 {
		traceID, spanID, _ := s.op.Last()
		s.client.instance.hook("responseHook", h.response,
			newJSSpan(traceID, spanID, spanWriter{s.op.LastSpan()}), resp)
	}
}

// hook calls a hook and keeps its error to itself. What an async hook rejects
// with counts as its error.
func (i *instance) hook(name string, fn sobek.Callable, args ...any) {
	rt := i.vu.Runtime()
	values := make([]sobek.Value, len(args))
	for j, arg := range args {
		values[j] = rt.ToValue(arg)
	}
	result, err := i.callHook(fn, values...)
	if err != nil {
		interrupted(err)
		i.run.hookFailed(name, err)
		return
	}
	if _, isPromise := result.Export().(*sobek.Promise); isPromise {
		object := result.ToObject(rt)
		if then, ok := sobek.AssertFunction(object.Get("then")); ok {
			_, _ = then(object, sobek.Undefined(), rt.ToValue(func(reason sobek.Value) {
				i.run.hookFailed(name, rejection(reason))
			})) // fails only for a promise that is none
		}
	}
}

// maxHookCalls bounds how deep the calls of a script may be nested while one of
// its hooks runs. k6 sets no bound, and a hook that calls itself without end
// would take all memory, or the process's stack, before it is interrupted.
const maxHookCalls = 1_000

var errHookDepth = fmt.Errorf("more than %d calls are nested: it calls itself without end",
	maxHookCalls)

// callHook calls a hook or a URL filter. The requests that it makes have neither.
func (i *instance) callHook(fn sobek.Callable, args ...sobek.Value) (sobek.Value, error) {
	rt, before := i.vu.Runtime(), i.spans.inHook
	i.spans.inHook = true
	i.spans.track(rt)
	rt.SetMaxCallStackSize(maxHookCalls)
	defer func() {
		i.spans.inHook = before
		if !before {
			rt.SetMaxCallStackSize(math.MaxInt32) // as k6 has it
		}
	}()
	result, err := fn(sobek.Undefined(), args...)
	if overflow := new(sobek.StackOverflowError); errors.As(err, &overflow) {
		return nil, errHookDepth
	}
	return result, err
}

// hookFailed counts an error of a hook and tells of the first one.
func (r *run) hookFailed(name string, err error) {
	if r.hookErrors.Add(1) == 1 {
		r.warn(fmt.Sprintf("%s failed: %v (further failures are only counted)", name, err))
	}
}

// spanSink is what a script's span writes to.
type spanSink interface {
	set(attributes ...attribute.KeyValue)
	event(name string, attributes ...attribute.KeyValue)
	rename(name string)
}

type preparedWriter struct{ span *traced.PreparedSpan }

func (w preparedWriter) set(a ...attribute.KeyValue)                { w.span.SetAttributes(a...) }
func (w preparedWriter) event(name string, a ...attribute.KeyValue) { w.span.AddEvent(name, a...) }
func (w preparedWriter) rename(name string)                         { w.span.UpdateName(name) }

// spanWriter writes to an SDK span; a nil one, of a span that is not made, is fine.
type spanWriter struct{ span trace.Span }

func (w spanWriter) set(a ...attribute.KeyValue) {
	if w.span != nil {
		w.span.SetAttributes(a...)
	}
}

func (w spanWriter) event(name string, a ...attribute.KeyValue) {
	if w.span != nil {
		w.span.AddEvent(name, trace.WithAttributes(a...))
	}
}

func (w spanWriter) rename(name string) {
	if w.span != nil {
		w.span.SetName(name)
	}
}

// jsSpan is the span that hooks and span() give to the script.
type jsSpan struct {
	TraceID string `js:"traceId"`
	SpanID  string `js:"spanId"`
	sink    spanSink
}

func newJSSpan(traceID, spanID string, sink spanSink) *jsSpan {
	return &jsSpan{TraceID: traceID, SpanID: spanID, sink: sink}
}

// SetAttribute is span.setAttribute(key, value).
func (s *jsSpan) SetAttribute(key string, value any) error {
	attributes, err := readAttributes("setAttribute", map[string]any{key: value})
	if err == nil {
		s.sink.set(attributes...)
	}
	return err
}

// SetAttributes is span.setAttributes(attributes).
func (s *jsSpan) SetAttributes(values any) error {
	attributes, err := optionalAttributes("setAttributes", values)
	if err == nil {
		s.sink.set(attributes...)
	}
	return err
}

// AddEvent is span.addEvent(name, attributes?).
func (s *jsSpan) AddEvent(name, values any) error {
	text, err := nameOf("addEvent", name)
	if err != nil {
		return err
	}
	attributes, err := optionalAttributes("addEvent", values)
	if err == nil {
		s.sink.event(text, attributes...)
	}
	return err
}

// UpdateName is span.updateName(name).
func (s *jsSpan) UpdateName(name any) error {
	text, err := nameOf("updateName", name)
	if err == nil {
		s.sink.rename(text)
	}
	return err
}

func nameOf(what string, value any) (string, error) {
	name, ok := value.(string)
	if !ok || name == "" {
		return "", fmt.Errorf("%s: name must be a string that is not empty, got %s",
			what, describe(value))
	}
	return name, nil
}
