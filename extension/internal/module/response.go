package module

import (
	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
)

// Response is k6's response with the identity of the trace it belongs to.
type Response struct {
	*k6http.Response `js:"-"`
	client           *client

	// Trace is null when the request was outside tracing.
	Trace *ResponseTrace `js:"trace"`
}

// ResponseTrace identifies the attempt that produced a response.
type ResponseTrace struct {
	TraceID  string `js:"traceId"`  // 32 hexadecimal digits
	SpanID   string `js:"spanId"`   // 16 hexadecimal digits: the last attempt's client span
	Attempts int    `js:"attempts"` // how often the retry policy sent the request, 1 or more
	Sampled  bool   `js:"sampled"`  // the sampled flag that was sent
}

// response wraps what k6 returned for the last attempt; nil for nil.
func (s *send) response(inner *k6http.Response) *Response {
	if inner == nil {
		return nil
	}
	traceID, spanID, trips := s.op.Last()
	if trips == 0 {
		return &Response{Response: inner, client: s.client}
	}
	whole := &struct {
		response Response
		trace    ResponseTrace
	}{
		Response{Response: inner, client: s.client},
		ResponseTrace{
			TraceID: traceID, SpanID: spanID, Attempts: s.attempts, Sampled: s.op.Sampled(),
		},
	}
	whole.response.Trace = &whole.trace
	return &whole.response
}

// SubmitForm is k6's response.submitForm(options), traced and with the client's
// options. The params in the options may have `trace`.
func (r *Response) SubmitForm(args ...sobek.Value) (*Response, error) {
	return r.client.follow(r.params(args), func() (*k6http.Response, error) {
		return r.Response.SubmitForm(args...)
	})
}

// ClickLink is k6's response.clickLink(options), traced in the same way.
func (r *Response) ClickLink(args ...sobek.Value) (*Response, error) {
	return r.client.follow(r.params(args), func() (*k6http.Response, error) {
		return r.Response.ClickLink(args...)
	})
}

// params finds the request's params in the options of a form or a link.
func (r *Response) params(args []sobek.Value) sobek.Value {
	if options, ok := argument(args, 0).(*sobek.Object); ok {
		return options.Get("params")
	}
	return nil
}
