package module

import (
	"context"
	"errors"
	"runtime"
	"strings"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
	"go.k6.io/k6/v2/lib"
)

// instrumentation makes the plain k6/http of one VU traced. The functions of
// its default export, out of which k6 takes named imports too, are replaced by a
// client's, so that all options hold. Requests that do not go through them (functions
// that were taken out before, and all where the export cannot be found, which is in
// iterations) are traced by a transport in the VU's state.
type instrumentation struct {
	client     *client       // nil while it is off
	plain      *sobek.Object // k6/http's default export
	originals  map[string]sobek.Value
	subscribed bool
}

// instrumented are the functions of k6/http that are replaced.
func instrumented() []string {
	return []string{
		"get", "head", "post", "put", "patch", "del", "options",
		"request", "asyncRequest", "batch", "setResponseCallback",
	}
}

var errInstrumentOptions = errors.New("instrument() with retry, requestHook, responseHook or " +
	"urlFilter must be called in the init context, outside of functions")

// instrument is instrument(options). Called in the init context it takes
// effect with the first iteration, when the VU has its state.
func (i *instance) instrument(value sobek.Value) {
	rt := i.vu.Runtime()
	opts, err := readClientOptions(rt, "instrument", value, defaultClientOptions())
	if err != nil {
		common.Throw(rt, err)
	}
	c, err := newClient(i, opts)
	if err != nil {
		common.Throw(rt, err)
	}
	if i.plain.plain == nil && i.vu.State() == nil {
		i.plain.find(rt)
	}
	if i.plain.plain == nil && opts.needsFunctions() {
		common.Throw(rt, errInstrumentOptions)
	}
	if err := i.plain.replace(c); err != nil {
		common.Throw(rt, err)
	}
	if !i.plain.subscribed {
		i.plain.subscribed = true
		onIteration(i.vu.Events(), i.applyInstrumentation, nil)
	}
	i.applyInstrumentation()
}

// uninstrument is uninstrument(): plain k6/http is plain again.
func (i *instance) uninstrument() {
	i.plain.client = nil
	for name, original := range i.plain.originals {
		if err := i.plain.plain.Set(name, original); err != nil {
			common.Throw(i.vu.Runtime(), err)
		}
	}
	i.applyInstrumentation()
}

// needsFunctions reports whether the options ask for what a transport cannot do.
func (c *clientOptions) needsFunctions() bool {
	return c.retry.Attempts > 1 ||
		c.requestHook != nil || c.responseHook != nil || c.urlFilter != nil
}

// find gets k6/http's default export by `require`, which k6 has in the init
// context only; it stays nil where there is none.
func (p *instrumentation) find(rt *sobek.Runtime) {
	require, ok := sobek.AssertFunction(rt.GlobalObject().Get("require"))
	if !ok {
		return
	}
	module, err := require(sobek.Undefined(), rt.ToValue("k6/http"))
	if err != nil {
		return
	}
	p.plain, _ = module.(*sobek.Object)
	if p.plain == nil {
		return
	}
	if exported, ok := p.plain.Get("default").(*sobek.Object); ok {
		p.plain = exported
	}
}

// replace puts the functions of c into the default export.
func (p *instrumentation) replace(c *client) error {
	p.client = c
	if p.plain == nil {
		return nil
	}
	if p.originals == nil {
		p.originals = make(map[string]sobek.Value)
		for _, name := range instrumented() {
			p.originals[name] = p.plain.Get(name)
		}
	}
	for _, name := range instrumented() {
		if err := p.plain.Set(name, c.exports.Get(name)); err != nil {
			return err
		}
	}
	return p.plain.Set("setResponseCallback", p.setResponseCallback)
}

// setResponseCallback sets the callback of k6/http and of the client in its place.
func (p *instrumentation) setResponseCallback(call sobek.FunctionCall) sobek.Value {
	for _, value := range []sobek.Value{
		p.originals["setResponseCallback"], p.client.exports.Get("setResponseCallback"),
	} {
		set, ok := sobek.AssertFunction(value)
		if !ok {
			continue
		}
		if _, err := set(sobek.Undefined(), call.Arguments...); err != nil {
			panic(err)
		}
	}
	return sobek.Undefined()
}

// applyInstrumentation puts the transport into the VU's state, or takes it out.
func (i *instance) applyInstrumentation() {
	state := i.vu.State()
	switch {
	case state == nil:
	case i.plain.client == nil:
		state.Transport = baseTransport(state)
	default:
		state.Transport = i.plain.client.auto(state, i.parent(state))
	}
}

// parent tells goroutines that send what to join: the application span that is
// open, else the iteration's span if the scope says so, else nothing. Of a request that
// the script does not stand still for, no application span is known: the script may have
// gone on to another one when the request is sent.
func (i *instance) parent(state *lib.State) func() context.Context {
	base := i.vu.Context()
	if i.plain.client.options.scope == "iteration" {
		base = i.iteration(base, state)
	}
	return func() context.Context {
		if ctx := i.spans.context(base); ctx == base || !goesOn() {
			return ctx
		}
		return base
	}
}

// goesOn reports whether the request of this goroutine is one of k6's asyncRequest. It
// leaves no other trace, in its context or its transport.
func goesOn() bool {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	for {
		frame, more := frames.Next()
		if strings.Contains(frame.Function, "k6/http.(*Client).asyncRequest") {
			return true
		}
		if !more {
			return false
		}
	}
}
