package module

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
	"go.k6.io/k6/v2/lib"
	"go.opentelemetry.io/otel/attribute"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// spanStack knows the application span that is active in one VU. It follows
// async functions across await, as sobek tells it which job is running. Only
// active is read outside of the JavaScript thread, by [autoTransport].
type spanStack struct {
	active   atomic.Pointer[activeSpan]
	tracking bool
	inHook   bool // requests of hooks have no hooks of their own

	iteration  *activeSpan // of the scope "iteration"; nil before its first request
	number     int64       // the iteration it belongs to
	subscribed bool
	depth      int // calls of span() that have not returned
}

// activeSpan is an application span and the context that requests join it by.
type activeSpan struct {
	ctx  context.Context
	span *traced.AppSpan
}

var _ sobek.AsyncContextTracker = &spanStack{}

// Grab implements sobek.AsyncContextTracker.
func (s *spanStack) Grab() any {
	if s.inHook {
		return hookContext{s.active.Load()}
	}
	return s.active.Load()
}

// hookContext is what an async hook goes on in.
type hookContext struct{ active *activeSpan }

// Resumed implements sobek.AsyncContextTracker.
func (s *spanStack) Resumed(tracked any) {
	hook, inHook := tracked.(hookContext)
	active := hook.active
	if !inHook {
		active, _ = tracked.(*activeSpan)
	}
	s.active.Store(active)
	s.inHook = inHook
}

// Exited implements sobek.AsyncContextTracker.
func (s *spanStack) Exited() {
	s.active.Store(nil)
	s.inHook = false
}

// track follows async work from now on; plain scripts do not pay for it.
func (s *spanStack) track(rt *sobek.Runtime) {
	if !s.tracking {
		s.tracking = true
		rt.SetAsyncContextTracker(s)
	}
}

// current is the active span; nil without one. That of an iteration which k6 has
// interrupted is still there in the next one, and no longer counts.
func (s *spanStack) current() *activeSpan {
	if active := s.active.Load(); active != nil && active.ctx.Err() == nil {
		return active
	}
	return nil
}

// context is the context that requests join: the active span's, else base.
func (s *spanStack) context(base context.Context) context.Context {
	if active := s.current(); active != nil {
		return active.ctx
	}
	return base
}

// span is span(name, attributes?, fn).
func (i *instance) span(call sobek.FunctionCall) sobek.Value {
	rt := i.vu.Runtime()
	if i.vu.State() == nil {
		common.Throw(rt, errSpanInit)
	}
	name, attributes, fn, err := spanArguments(call)
	if err != nil {
		common.Throw(rt, err)
	}
	if i.spans.depth == maxSpanDepth {
		common.Throw(rt, errSpanDepth)
	}
	i.spans.depth++
	defer func() { i.spans.depth-- }()
	provider, err := i.run.start()
	if err != nil {
		common.Throw(rt, err)
	}
	i.spans.track(rt)
	i.run.take(i.vu.State())
	ctx, app := provider.StartSpan(i.spans.context(i.vu.Context()), name, attributes, i.run)
	before := i.spans.active.Swap(&activeSpan{ctx: ctx, span: app})
	result, err := fn(sobek.Undefined(), rt.ToValue(
		newJSSpan(app.TraceID().String(), app.SpanID().String(), spanWriter{app.Span()})))
	i.spans.active.Store(before)
	if err != nil {
		app.End(err)
		panic(err)
	}
	return i.endWith(result, app)
}

func spanArguments(
	call sobek.FunctionCall,
) (name string, attributes []attribute.KeyValue, fn sobek.Callable, err error) {
	last := call.Argument(max(0, len(call.Arguments)-1))
	fn, isFunction := sobek.AssertFunction(last)
	name, isString := call.Argument(0).Export().(string)
	switch {
	case !isString || name == "":
		return "", nil, nil, errSpanName
	case !isFunction || len(call.Arguments) < 2 || len(call.Arguments) > 3:
		return "", nil, nil, errSpanFunction
	case len(call.Arguments) == 3:
		attributes, err = spanAttributes(call.Argument(1))
	}
	return name, attributes, fn, err
}

func spanAttributes(value sobek.Value) ([]attribute.KeyValue, error) {
	if common.IsNullish(value) {
		return nil, nil
	}
	values, ok := value.Export().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("span attributes must be an object, got %s",
			describe(value.Export()))
	}
	return readAttributes("span attributes", values)
}

// maxSpanDepth bounds calls of span() within each other: a function that calls
// itself by it without end would take the process's stack.
const maxSpanDepth = 1_000

var (
	errSpanDepth    = fmt.Errorf("span() is nested more than %d deep", maxSpanDepth)
	errSpanInit     = errors.New("span() must not be called in the init context")
	errSpanName     = errors.New("span name must be a string that is not empty")
	errSpanFunction = errors.New(
		"span must be called as span(name, fn) or span(name, attributes, fn)")
)

// active is the context whose span the requests of this moment join: the
// application span that is open, else the iteration's if the scope says so.
func (i *instance) active(state *lib.State, scope string) context.Context {
	i.run.take(state)
	if scope == "iteration" && i.spans.current() == nil {
		return i.iteration(i.vu.Context(), state)
	}
	return i.spans.context(i.vu.Context())
}

// iteration is the context of the iteration's own span, which is started by
// the first request that wants it and ended with the iteration.
func (i *instance) iteration(base context.Context, state *lib.State) context.Context {
	if i.spans.iteration != nil && i.spans.number == state.Iteration {
		return i.spans.iteration.ctx
	}
	i.endIteration()
	provider, err := i.run.start()
	if err != nil {
		return base
	}
	if !i.spans.subscribed {
		i.spans.subscribed = true
		onIteration(i.vu.Events(), nil, i.endIteration)
	}
	ctx, span := provider.StartSpan(base, "iteration", nil, i.run)
	context.AfterFunc(base, func() { span.End(nil) }) // setup() and teardown() have no event
	i.spans.number, i.spans.iteration = state.Iteration, &activeSpan{ctx: ctx, span: span}
	return ctx
}

func (i *instance) endIteration() {
	if i.spans.iteration != nil {
		i.spans.iteration.span.End(nil)
		i.spans.iteration = nil
	}
}

// endWith ends the span when a promise settles, or now for any other value. It
// ends with the iteration if that is first: k6 runs nothing of a script that it
// has interrupted, and there are promises that nobody settles.
func (i *instance) endWith(result sobek.Value, app *traced.AppSpan) sobek.Value {
	rt := i.vu.Runtime()
	object, isObject := result.(*sobek.Object)
	if _, isPromise := result.Export().(*sobek.Promise); !isObject || !isPromise {
		app.End(nil)
		return result
	}
	stop := context.AfterFunc(i.vu.Context(), func() { app.End(nil) })
	end := func(err error) {
		stop()
		app.End(err)
	}
	then, _ := sobek.AssertFunction(object.Get("then"))
	derived, err := then(object,
		rt.ToValue(func(call sobek.FunctionCall) sobek.Value {
			end(nil)
			return call.Argument(0)
		}),
		rt.ToValue(func(call sobek.FunctionCall) sobek.Value {
			end(rejection(call.Argument(0)))
			panic(call.Argument(0))
		}))
	if err != nil {
		end(err)
		panic(err)
	}
	return derived
}
