package module

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
	"go.k6.io/k6/v2/js/modules"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
	"go.k6.io/k6/v2/lib"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// client is one traced HTTP client of one VU: k6's HTTP module with our
// transport under it and our retry policy around it.
type client struct {
	instance *instance
	vu       *tracedVU
	options  clientOptions
	core     *traced.Client // made by the first request: the provider starts after init
	native   natives
	exports  *sobek.Object // k6's export object with the request functions replaced
}

// newClient makes a client with a k6 HTTP module of its own.
func newClient(inst *instance, opts clientOptions) (*client, error) {
	c := &client{instance: inst, options: opts}
	c.vu = &tracedVU{VU: inst.vu, auto: c.autoTransport}
	rt := inst.vu.Runtime()
	exports, ok := k6http.New().NewModuleInstance(c.vu).Exports().Default.(*sobek.Object)
	if !ok {
		return nil, errUnknownK6
	}
	c.exports = exports
	if err := c.native.load(exports); err != nil {
		return nil, err
	}
	for name, fn := range map[string]func(sobek.FunctionCall) sobek.Value{
		"get": c.plainVerb(http.MethodGet, c.native.get), "head": c.plainVerb(http.MethodHead, c.native.head),
		"post": c.bodyVerb(http.MethodPost, c.native.post), "put": c.bodyVerb(http.MethodPut, c.native.put),
		"patch":   c.bodyVerb(http.MethodPatch, c.native.patch),
		"del":     c.bodyVerb(http.MethodDelete, c.native.del),
		"options": c.bodyVerb(http.MethodOptions, c.native.options),
		"request": c.request, "asyncRequest": c.asyncRequest, "batch": c.batch,
	} {
		if err := exports.Set(name, rt.ToValue(fn)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// send is one call of the script that makes requests: what its transport and
// its retries share.
type send struct {
	client   *client
	op       *traced.Operation
	labels   *labelSource
	retry    traced.Retry
	method   string
	target   string
	base     http.RoundTripper
	attempts int
	body     frozenBody
	trips    atomic.Int32
	hooks    hookState
}

// begin starts the operation of one logical request.
func (c *client) begin(method string, target sobek.Value, params sobek.Value) (*send, error) {
	state := c.instance.vu.State()
	object, _ := params.(*sobek.Object)
	opts, core, err := c.optionsFor(object)
	if err != nil {
		return nil, err
	}
	s := &send{
		client: c, method: strings.ToUpper(method), target: targetURL(target), retry: opts.retry,
		base:   c.instance.baseTransport(state),
		labels: newLabelSource(&c.instance.run.labels, state, target, object, opts.config.Service),
	}
	s.hooks.configure(opts)
	ctx := c.instance.active(state, opts.scope)
	if err := c.instance.run.faults.begin(ctx, state, c.instance.run.warn); err != nil {
		return nil, err
	}
	s.op = core.Start(ctx, s.operation(state, opts, object))
	return s, nil
}

// operation describes the logical request to the tracer.
func (s *send) operation(state *lib.State, opts clientOptions, params *sobek.Object) traced.OperationConfig {
	config := traced.OperationConfig{
		Method: s.method, URL: s.target, Template: opts.template, Labels: s.labels.labels,
		DefaultUserAgent: state.Options.UserAgent.String, Hold: opts.responseHook != nil,
	}
	if opts.urlFilter != nil {
		config.URLFilter = s.client.instance.filterURL(opts.urlFilter, s.target)
	}
	if config.Template == "" {
		config.Template = s.labels.template
	}
	if opts.config.Continue && params != nil {
		config.Traceparent, config.Tracestate = scriptContext(params)
	}
	return config
}

// scriptContext finds the trace headers that the script itself set.
func scriptContext(params *sobek.Object) (traceparent, tracestate string) {
	headers, ok := params.Get("headers").(*sobek.Object)
	if !ok {
		return "", ""
	}
	for _, name := range headers.Keys() {
		switch strings.ToLower(name) {
		case "traceparent":
			traceparent = headers.Get(name).String()
		case "tracestate":
			tracestate = headers.Get(name).String()
		}
	}
	return traceparent, tracestate
}

// optionsFor returns the options of one request and the core that has them.
func (c *client) optionsFor(params *sobek.Object) (clientOptions, *traced.Client, error) {
	core, err := c.traced()
	if err != nil {
		return clientOptions{}, nil, err
	}
	opts, err := c.options.forRequest(c.instance.vu.Runtime(), params)
	if err != nil || !opts.changed {
		return opts, core, err
	}
	core, err = core.With(opts.config)
	return opts, core, err
}

func targetURL(target sobek.Value) string {
	if target == nil {
		return ""
	}
	return target.String()
}

// traced returns the client's core; the run must have started.
func (c *client) traced() (*traced.Client, error) {
	if c.core != nil {
		return c.core, nil
	}
	provider, err := c.instance.run.start()
	if err != nil {
		return nil, err
	}
	core, err := traced.NewClient(provider, c.options.config, c.instance.run)
	if err != nil {
		return nil, err
	}
	c.core = core
	return core, nil
}

// attempt runs fn with a transport for the next attempt.
func (s *send) attempt(backoff time.Duration, fn func()) {
	s.attempts++
	s.labels.phase = s.client.instance.run.phase()
	s.client.vu.enter(s.transport(s.attempts, backoff), fn)
}

// transport is the transport of one attempt: it counts round trips and keeps
// the body of a multipart form the same from attempt to attempt.
func (s *send) transport(attempt int, backoff time.Duration) http.RoundTripper {
	inner := s.op.Transport(s.base, attempt, backoff)
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		s.trips.Add(1)
		return inner.RoundTrip(s.body.apply(req, attempt))
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// outcome is what the retry policy needs to know of an attempt.
type outcome struct {
	status     int
	retryAfter string
	failed     bool
}

func outcomeOf(resp *k6http.Response, err error) outcome {
	if err != nil || resp == nil || resp.Response == nil {
		return outcome{failed: true}
	}
	return outcome{
		status: resp.Status, retryAfter: resp.Headers["Retry-After"], failed: resp.Error != "" && resp.Status == 0,
	}
}

// next decides whether another attempt follows, and after which wait. A call
// that made no round trip (an invalid URL, say) is never repeated.
func (s *send) next(o outcome) (time.Duration, bool) {
	if s.trips.Load() == 0 || s.client.instance.vu.Context().Err() != nil {
		return 0, false
	}
	return s.retry.Next(s.attempts, s.method, o.status, o.retryAfter, o.failed, time.Now())
}

// wait sleeps between attempts; it returns false when the VU was interrupted.
func (s *send) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.client.instance.vu.Context().Done():
		return false
	}
}

// throw raises err in JavaScript, as k6's own functions do.
func throw(vu modules.VU, err error) { common.Throw(vu.Runtime(), err) }

// autoTransport traces the requests that k6 makes without one of our functions:
// Response.submitForm and Response.clickLink.
func (c *client) autoTransport(state *lib.State) http.RoundTripper {
	c.instance.run.take(state.Samples)
	return &autoTransport{client: c, state: state, base: c.instance.baseTransport(state)}
}
