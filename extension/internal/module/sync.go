package module

import (
	"time"

	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
)

// plainVerb wraps a function without a body: (url, params).
func (c *client) plainVerb(method string, native verb) func(sobek.FunctionCall) sobek.Value {
	return func(call sobek.FunctionCall) sobek.Value {
		target, args := splitTarget(call.Arguments)
		return c.sync(method, target, argument(args, 0), func() (*k6http.Response, error) {
			return native(target, args...)
		})
	}
}

// bodyVerb wraps a function with a body: (url, body, params).
func (c *client) bodyVerb(method string, native verb) func(sobek.FunctionCall) sobek.Value {
	return func(call sobek.FunctionCall) sobek.Value {
		target, args := splitTarget(call.Arguments)
		return c.sync(method, target, argument(args, 1), func() (*k6http.Response, error) {
			return native(target, args...)
		})
	}
}

// request is http.request(method, url, body, params).
func (c *client) request(call sobek.FunctionCall) sobek.Value {
	method, target, args := splitMethod(call.Arguments)
	return c.sync(method, target, argument(args, 1), func() (*k6http.Response, error) {
		return c.native.request(method, target, args...)
	})
}

// sync runs one blocking request with its retries.
func (c *client) sync(
	method string, target, params sobek.Value, native func() (*k6http.Response, error),
) sobek.Value {
	if c.instance.vu.State() == nil { // k6's own error about the init context
		resp, err := native()
		return c.result(resp, err)
	}
	s, err := c.begin(method, target, params)
	if err != nil {
		throw(c.instance.vu, err)
	}
	resp, err := s.run(native)
	s.op.End(err)
	if err != nil {
		throw(c.instance.vu, err)
	}
	return c.instance.vu.Runtime().ToValue(newResponse(resp, s.op, s.attempts))
}

func (c *client) result(resp *k6http.Response, err error) sobek.Value {
	if err != nil {
		throw(c.instance.vu, err)
	}
	return c.instance.vu.Runtime().ToValue(resp)
}

// run sends until the retry policy is satisfied.
func (s *send) run(native func() (*k6http.Response, error)) (resp *k6http.Response, err error) {
	var backoff, wait time.Duration
	for again := true; again; {
		s.hooks.before(s)
		s.attempt(backoff, func() { resp, err = native() })
		s.hooks.after(s, resp, err)
		if wait, again = s.next(outcomeOf(resp, err)); again {
			again = s.wait(wait)
			backoff = wait
		}
	}
	return resp, err
}
