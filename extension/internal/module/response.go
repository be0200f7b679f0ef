package module

import (
	k6http "go.k6.io/k6/v2/js/modules/k6/http"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// Response is k6's response with the identity of the trace it belongs to.
type Response struct {
	*k6http.Response `js:"-"`
	// Trace is null when the request was outside tracing.
	Trace *ResponseTrace `js:"trace"`
}

// ResponseTrace identifies the attempt that produced a response.
type ResponseTrace struct {
	TraceID  string `js:"traceId"`  // 32 hexadecimal digits
	SpanID   string `js:"spanId"`   // 16 hexadecimal digits: the last attempt's client span
	Attempts int    `js:"attempts"` // how often the request was sent by the retry policy, 1 or more
	Sampled  bool   `js:"sampled"`  // the sampled flag that was sent
}

func newResponse(inner *k6http.Response, op *traced.Operation, attempts int) *Response {
	if inner == nil {
		return nil
	}
	response := &Response{Response: inner}
	if op != nil && op.RoundTrips() > 0 {
		response.Trace = &ResponseTrace{
			TraceID:  op.TraceID().String(),
			SpanID:   op.LastSpanID().String(),
			Attempts: attempts,
			Sampled:  op.Sampled(),
		}
	}
	return response
}
