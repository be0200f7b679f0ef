package module

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
	"go.k6.io/k6/v2/js/modules"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/lib/netext/httpext"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// send is one logical request of the script: what its attempts share. It is
// the transport of the attempt under way; attempts never overlap.
type send struct {
	client   *client
	options  *clientOptions
	op       *traced.Operation
	labels   labelSource
	method   string // as the script wrote it
	target   string
	base     http.RoundTripper
	inner    http.RoundTripper // the operation's transport of this attempt
	attempts int
	body     frozenBody
	trips    atomic.Int32
	hooks    hookState
}

// begin starts the operation of one logical request. It endsAtOnce when its end
// is sure to follow its last round trip; see [traced.OperationConfig].
func (c *client) begin(
	method string, target, params sobek.Value, endsAtOnce bool,
) (*send, error) {
	state := c.instance.vu.State()
	object, _ := params.(*sobek.Object)
	opts, core, err := c.optionsFor(object)
	if err != nil {
		return nil, err
	}
	s := &send{
		client: c, options: opts, method: method, target: targetURL(target),
		base: baseTransport(state),
	}
	s.labels.init(&c.instance.run.labels, state, target, object, opts.config.Service)
	s.hooks.configure(c.instance, opts)
	ctx := c.instance.active(state, opts.scope)
	if err := c.instance.run.beginFaults(ctx, state); err != nil {
		return nil, err
	}
	config := s.operation(state, object)
	config.EndsAtOnce, config.Alone = endsAtOnce, ctx == c.instance.vu.Context()
	s.op = core.Start(ctx, config)
	c.instance.run.countExcluded(s.op)
	return s, nil
}

// operation describes the logical request to the tracer.
func (s *send) operation(state *lib.State, params *sobek.Object) traced.OperationConfig {
	opts := s.options
	config := traced.OperationConfig{
		Method: s.method, URL: s.target, Template: opts.template, Labels: s.labels.labels,
		DefaultUserAgent: state.Options.UserAgent.String, Hold: s.hooks.response != nil,
	}
	if opts.urlFilter != nil && !s.client.instance.spans.inHook {
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

// targetURL is the URL that k6 will take; empty for what k6 will refuse.
func targetURL(target sobek.Value) string {
	if target == nil {
		return ""
	}
	switch target := target.Export().(type) {
	case string:
		return target
	case httpext.URL: // of an http.url template
		return target.URL
	default:
		return ""
	}
}

// prepare makes the send the transport of its next attempt.
func (s *send) prepare(backoff time.Duration) {
	s.attempts++
	s.labels.phase = s.client.instance.run.phase()
	s.inner = s.op.Transport(s.base, s.attempts, backoff)
}

// RoundTrip counts a round trip of the attempt and keeps the body of a
// multipart form the same from attempt to attempt.
func (s *send) RoundTrip(req *http.Request) (*http.Response, error) {
	s.trips.Add(1)
	return s.inner.RoundTrip(s.body.apply(req, s.attempts))
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
		status: resp.Status, retryAfter: resp.Headers["Retry-After"],
		failed: resp.Error != "" && resp.Status == 0,
	}
}

// failure is what k6 returns of a request, or says in its response; nil for neither.
func failure(resp *k6http.Response, err error) error {
	if err != nil || resp == nil || resp.Response == nil || resp.Error == "" {
		return err
	}
	return errors.New(resp.Error)
}

// next decides whether another attempt follows, and after which wait. A call
// that made no round trip (an invalid URL, say) is never repeated.
func (s *send) next(o outcome) (time.Duration, bool) {
	if s.attempts >= s.options.retry.Attempts || s.trips.Load() == 0 ||
		s.client.instance.vu.Context().Err() != nil {
		return 0, false
	}
	backoff, again := s.options.retry.Next(
		s.attempts, strings.ToUpper(s.method), o.status, o.retryAfter, o.failed, time.Now())
	if again {
		s.op.HandOver() // it goes on after the backoff
	}
	return backoff, again
}

// wait sleeps between attempts; it returns false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// throw raises err in JavaScript, as k6's own functions do.
func throw(vu modules.VU, err error) { common.Throw(vu.Runtime(), err) }
