package module

import (
	"fmt"
	"time"

	"github.com/grafana/sobek"
)

// asyncSend is one http.asyncRequest with its retries. All of it runs on the
// JavaScript thread, but for the waiting between attempts.
type asyncSend struct {
	*send
	native          func() (*sobek.Promise, error)
	resolve, reject func(any) error
}

// asyncRequest is http.asyncRequest(method, url, body, params).
func (c *client) asyncRequest(call sobek.FunctionCall) sobek.Value {
	rt := c.instance.vu.Runtime()
	method, target, args := splitMethod(call.Arguments)
	native := func() (*sobek.Promise, error) { return c.native.asyncRequest(method, target, args...) }
	if c.instance.vu.State() == nil { // k6's own error about the init context
		promise, err := native()
		if err != nil {
			throw(c.instance.vu, err)
		}
		return rt.ToValue(promise)
	}
	s, err := c.begin(method, target, argument(args, 1))
	if err != nil {
		throw(c.instance.vu, err)
	}
	promise, resolve, reject := rt.NewPromise()
	a := &asyncSend{send: s, native: native, resolve: resolve, reject: reject}
	if err := a.start(0); err != nil {
		s.op.End(err)
		throw(c.instance.vu, err)
	}
	return rt.ToValue(promise)
}

// start sends one attempt and continues when its promise settles.
func (a *asyncSend) start(backoff time.Duration) (err error) {
	var promise *sobek.Promise
	a.hooks.before(a.send)
	a.attempt(backoff, func() { promise, err = a.native() })
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
	return err
}

func (a *asyncSend) fulfilled(call sobek.FunctionCall) sobek.Value {
	resp := exportResponse(call.Argument(0))
	a.hooks.after(a.send, resp, nil)
	if a.again(outcomeOf(resp, nil)) {
		return sobek.Undefined()
	}
	a.op.End(nil)
	a.settle(a.resolve(newResponse(resp, a.op, a.attempts)))
	return sobek.Undefined()
}

func (a *asyncSend) rejected(call sobek.FunctionCall) sobek.Value {
	err := rejection(call.Argument(0))
	a.hooks.after(a.send, nil, err)
	if a.again(outcome{failed: true}) {
		return sobek.Undefined()
	}
	a.op.End(err)
	a.settle(a.reject(call.Argument(0)))
	return sobek.Undefined()
}

// again schedules the next attempt, off the event loop, if one is due.
func (a *asyncSend) again(o outcome) bool {
	wait, again := a.next(o)
	if !again {
		return false
	}
	callback := a.client.instance.vu.RegisterCallback()
	go func() {
		waited := a.wait(wait)
		callback(func() error {
			if !waited {
				err := a.client.instance.vu.Context().Err()
				a.op.End(err)
				return a.reject(err)
			}
			if err := a.start(wait); err != nil {
				a.op.End(err)
				return a.reject(err)
			}
			return nil
		})
	}()
	return true
}

// settle raises the error of settling the script's promise, which only an
// interrupted runtime returns.
func (a *asyncSend) settle(err error) {
	if err != nil {
		throw(a.client.instance.vu, err)
	}
}

// rejection turns a rejection value into the error that it stands for.
func rejection(value sobek.Value) error {
	if err, ok := value.Export().(error); ok {
		return err
	}
	return fmt.Errorf("request failed: %s", value)
}
