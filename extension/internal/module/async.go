package module

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafana/sobek"
)

// asyncSend is one http.asyncRequest with its retries. All of it runs on the
// JavaScript thread, but for the waiting between attempts.
type asyncSend struct {
	*send
	ctx             context.Context // of the iteration
	active          *activeSpan     // what the requests of its hooks join; nil for nothing
	native          func() (*sobek.Promise, error)
	resolve, reject func(any) error
	stop            func() bool // ends the watch on ctx
}

// asyncRequest is http.asyncRequest(method, url, body, params).
func (c *client) asyncRequest(call sobek.FunctionCall) sobek.Value {
	rt := c.instance.vu.Runtime()
	method, target, args := splitMethod(call.Arguments)
	native := func() (*sobek.Promise, error) {
		return c.native.asyncRequest(method, c.ownTarget(target), args...)
	}
	if c.instance.vu.State() == nil { // k6's own error about the init context
		promise, err := native()
		if err != nil {
			throw(c.instance.vu, err)
		}
		return rt.ToValue(promise)
	}
	s, err := c.begin(method, target, argument(args, 1), false)
	if err != nil {
		throw(c.instance.vu, err)
	}
	a := &asyncSend{
		send: s, ctx: c.instance.vu.Context(), active: c.instance.spans.active.Load(),
		native: native,
	}
	a.stop = context.AfterFunc(a.ctx, s.op.Leave) // nothing of the script runs then
	var promise *sobek.Promise
	promise, a.resolve, a.reject = rt.NewPromise()
	if err := a.start(0); err != nil {
		throw(c.instance.vu, err)
	}
	return rt.ToValue(promise)
}

// end ends the operation.
func (a *asyncSend) end(err error) {
	a.stop()
	a.op.End(err)
}

// start sends one attempt and continues when its promise settles. The
// operation is over when it fails.
func (a *asyncSend) start(backoff time.Duration) (err error) {
	done := false
	defer func() {
		if !done {
			a.end(err)
		}
	}()
	a.hooks.before(a.send)
	a.prepare(backoff)
	promise, err := a.through()
	if err != nil {
		return err
	}
	rt := a.client.instance.vu.Runtime()
	object := rt.ToValue(promise).ToObject(rt)
	then, ok := sobek.AssertFunction(object.Get("then"))
	if !ok {
		return fmt.Errorf("%w: http.asyncRequest returned no promise", errUnknownK6)
	}
	_, err = then(object, rt.ToValue(a.fulfilled), rt.ToValue(a.rejected))
	done = err == nil
	return err
}

func (a *asyncSend) through() (*sobek.Promise, error) {
	vu := a.client.vu
	defer vu.leave(vu.enterAsync(a.send))
	return a.native()
}

func (a *asyncSend) fulfilled(call sobek.FunctionCall) sobek.Value {
	resp := exportResponse(call.Argument(0))
	a.onLoop(func() error {
		a.after(func() { a.hooks.after(a.send, resp, nil) })
		if a.again(outcomeOf(resp, nil)) {
			return nil
		}
		a.end(failure(resp, nil))
		return a.resolve(a.response(resp))
	})
	return sobek.Undefined()
}

func (a *asyncSend) rejected(call sobek.FunctionCall) sobek.Value {
	reason := call.Argument(0)
	a.onLoop(func() error {
		err := rejection(reason)
		a.after(func() { a.hooks.after(a.send, nil, err) })
		if a.again(outcome{failed: true}) {
			return nil
		}
		a.end(err)
		return a.reject(reason)
	})
	return sobek.Undefined()
}

// onLoop has the event loop call fn as nothing else is running. A reaction to a
// promise must not go back into the script: an interruption there would leave the
// runtime in a state that ends the process.
func (a *asyncSend) onLoop(fn func() error) {
	a.client.instance.vu.RegisterCallback()(func() error { return a.caught(fn) })
}

// caught calls fn within the span of the request, which the event loop does not
// know. It returns what fn raises in the script, as nothing above would catch it.
func (a *asyncSend) caught(fn func() error) (err error) {
	spans := &a.client.instance.spans
	defer spans.active.Store(spans.active.Swap(a.active))
	defer func() {
		raised := recover()
		if raised == nil {
			return
		}
		interruption, ok := raised.(*sobek.InterruptedError)
		if !ok {
			panic(raised)
		}
		err = interruption
	}()
	if thrown := a.client.instance.vu.Runtime().Try(func() { err = fn() }); thrown != nil {
		return thrown
	}
	return err
}

// after runs the response hook; the operation is over when it does not return.
func (a *asyncSend) after(hook func()) {
	done := false
	defer func() {
		if !done {
			a.end(nil)
		}
	}()
	hook()
	done = true
}

// again schedules the next attempt, off the event loop, if one is due.
func (a *asyncSend) again(o outcome) bool {
	backoff, again := a.next(o)
	if !again {
		return false
	}
	callback := a.client.instance.vu.RegisterCallback()
	go func() {
		resume := func() error { return a.resume(backoff) }
		if !wait(a.ctx, backoff) {
			resume = a.abandon
		}
		callback(func() error { return a.caught(resume) })
	}()
	return true
}

// resume sends again.
func (a *asyncSend) resume(backoff time.Duration) error {
	if err := a.start(backoff); err != nil {
		return a.reject(err)
	}
	return nil
}

// abandon gives up when the VU was interrupted.
func (a *asyncSend) abandon() error {
	a.end(a.ctx.Err())
	return a.reject(a.ctx.Err())
}

// rejection turns a rejection value into the error that it stands for.
func rejection(value sobek.Value) error {
	if err, ok := value.Export().(error); ok {
		return err
	}
	return errors.New(value.String())
}
