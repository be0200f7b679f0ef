package module

import (
	"net/http"
	"time"

	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
	"go.k6.io/k6/v2/lib/netext/httpext"
)

// plainVerb wraps a function without a body: (url, params).
func (c *client) plainVerb(method string, native verb) func(sobek.FunctionCall) sobek.Value {
	return func(call sobek.FunctionCall) sobek.Value {
		target, args := splitTarget(call.Arguments)
		return c.sync(nativeCall{native, method, target, args}, argument(args, 0))
	}
}

// bodyVerb wraps a function with a body: (url, body, params).
func (c *client) bodyVerb(method string, native verb) func(sobek.FunctionCall) sobek.Value {
	return func(call sobek.FunctionCall) sobek.Value {
		target, args := splitTarget(call.Arguments)
		return c.sync(nativeCall{native, method, target, args}, argument(args, 1))
	}
}

// request is http.request(method, url, body, params).
func (c *client) request(call sobek.FunctionCall) sobek.Value {
	method, target, args := splitMethod(call.Arguments)
	native := func(target sobek.Value, args ...sobek.Value) (*k6http.Response, error) {
		return c.native.request(method, target, args...)
	}
	return c.sync(nativeCall{native, method, target, args}, argument(args, 1))
}

// nativeCall is a call of one of k6's own functions, which may be repeated.
type nativeCall struct {
	native verb
	method string
	target sobek.Value
	args   []sobek.Value
}

// sync runs one blocking request with its retries.
func (c *client) sync(native nativeCall, params sobek.Value) sobek.Value {
	rt := c.instance.vu.Runtime()
	if c.instance.vu.State() == nil { // k6's own error about the init context
		resp, err := native.native(native.target, native.args...)
		if err != nil {
			throw(c.instance.vu, err)
		}
		return rt.ToValue(resp)
	}
	s, err := c.begin(native.method, native.target, params, true)
	if err != nil {
		throw(c.instance.vu, err)
	}
	resp, err := s.run(&native)
	if err != nil {
		throw(c.instance.vu, err)
	}
	return rt.ToValue(resp)
}

// run sends the request until the retry policy is satisfied, and ends its
// operation, whatever happens.
func (s *send) run(native *nativeCall) (result *Response, err error) {
	var resp *k6http.Response
	defer func() { s.op.End(failure(resp, err)) }()
	s.hooks.before(s)
	resp, err = s.attempt(native, 0)
	if resp, err = s.finish(resp, err, native); err != nil {
		return nil, err
	}
	return s.response(resp), nil
}

// attempt makes the native call as one attempt.
func (s *send) attempt(native *nativeCall, backoff time.Duration) (*k6http.Response, error) {
	s.prepare(backoff)
	return s.client.through(s, native)
}

// through makes the native call with a transport.
func (c *client) through(
	transport http.RoundTripper, native *nativeCall,
) (*k6http.Response, error) {
	defer c.vu.leave(c.vu.enter(transport))
	return native.native(c.ownTarget(native.target), native.args...)
}

// ownTarget is the target of an attempt. Digest authentication takes the
// credentials off the URL value that it is given, and an http.url template has one
// for all attempts.
func (c *client) ownTarget(target sobek.Value) sobek.Value {
	if _, isObject := target.(*sobek.Object); !isObject {
		return target
	}
	given, isURL := target.Export().(httpext.URL)
	if !isURL {
		return target
	}
	own, err := ownURL(given)
	if err != nil { // for k6 to refuse
		return target
	}
	return c.instance.vu.Runtime().ToValue(own)
}

// finish completes an attempt and sends again until the retry policy is
// satisfied or the VU is interrupted. It returns what the last attempt did.
func (s *send) finish(
	resp *k6http.Response, err error, native *nativeCall,
) (*k6http.Response, error) {
	for {
		s.hooks.after(s, resp, err)
		backoff, again := s.next(outcomeOf(resp, err))
		if !again || !wait(s.client.instance.vu.Context(), backoff) {
			return resp, err
		}
		s.hooks.before(s)
		resp, err = s.attempt(native, backoff)
	}
}

// follow runs a request that k6 makes out of a response: a form or a link. What
// it is shows with its first round trip, which is sent on the JavaScript thread.
func (c *client) follow(
	params sobek.Value, native func() (*k6http.Response, error),
) (result *Response, err error) {
	call := &nativeCall{native: func(sobek.Value, ...sobek.Value) (*k6http.Response, error) {
		return native()
	}}
	var s *send
	var resp *k6http.Response
	defer func() {
		if s != nil {
			s.op.End(failure(resp, err))
		}
	}()
	var refused error
	first := roundTripper(func(req *http.Request) (*http.Response, error) {
		if s == nil {
			target := c.instance.vu.Runtime().ToValue(req.URL.String())
			if s, refused = c.begin(req.Method, target, params, true); refused != nil {
				return nil, refused
			}
			s.hooks.before(s)
			s.prepare(time.Duration(0))
		}
		return s.RoundTrip(req)
	})
	resp, err = c.through(first, call)
	if refused != nil {
		return nil, refused
	}
	if s == nil {
		return &Response{Response: resp, client: c}, err
	}
	if resp, err = s.finish(resp, err, call); err != nil {
		return nil, err
	}
	return s.response(resp), nil
}
