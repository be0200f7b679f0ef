package module

import (
	"net/http"
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
	rt := c.instance.vu.Runtime()
	if c.instance.vu.State() == nil { // k6's own error about the init context
		resp, err := native()
		if err != nil {
			throw(c.instance.vu, err)
		}
		return rt.ToValue(resp)
	}
	s, err := c.begin(method, target, params)
	if err != nil {
		throw(c.instance.vu, err)
	}
	defer func() { s.op.End(err) }()
	s.hooks.before(s)
	s.prepare(0)
	var resp *k6http.Response
	c.vu.enter(s, func() { resp, err = native() })
	if resp, err = s.finish(resp, err, native); err != nil {
		throw(c.instance.vu, err)
	}
	return rt.ToValue(s.response(resp))
}

// finish completes an attempt and sends again until the retry policy is
// satisfied or the VU is interrupted. It returns what the last attempt did.
func (s *send) finish(
	resp *k6http.Response, err error, native func() (*k6http.Response, error),
) (*k6http.Response, error) {
	for {
		s.hooks.after(s, resp, err)
		backoff, again := s.next(outcomeOf(resp, err))
		if !again || !wait(s.client.instance.vu.Context(), backoff) {
			return resp, err
		}
		s.hooks.before(s)
		s.prepare(backoff)
		s.client.vu.enter(s, func() { resp, err = native() })
	}
}

// follow runs a request that k6 makes out of a response: a form or a link. What
// it is shows with its first round trip, which is sent on the JavaScript thread.
func (c *client) follow(
	params sobek.Value, native func() (*k6http.Response, error),
) (result *Response, err error) {
	var s *send
	defer func() {
		if s != nil {
			s.op.End(err)
		}
	}()
	var refused error
	first := roundTripper(func(req *http.Request) (*http.Response, error) {
		if s == nil {
			target := c.instance.vu.Runtime().ToValue(req.URL.String())
			if s, refused = c.begin(req.Method, target, params); refused != nil {
				return nil, refused
			}
			s.hooks.before(s)
			s.prepare(time.Duration(0))
		}
		return s.RoundTrip(req)
	})
	var resp *k6http.Response
	c.vu.enter(first, func() { resp, err = native() })
	if refused != nil {
		return nil, refused
	}
	if s == nil {
		return &Response{Response: resp, client: c}, err
	}
	if resp, err = s.finish(resp, err, native); err != nil {
		return nil, err
	}
	return s.response(resp), nil
}
