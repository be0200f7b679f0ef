package traced

import (
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// transport is one attempt of an operation.
type transport struct {
	op      *Operation
	base    http.RoundTripper
	attempt int
	backoff time.Duration
}

// exchange is one round trip under way.
type exchange struct {
	op       *Operation
	spanID   tracecontext.SpanID
	span     trace.Span // nil without SDK spans
	prepared *PreparedSpan
	attempt  span.Attempt
	start    time.Time
	conn     connTrace
	req      *http.Request
	resp     *http.Response
	once     sync.Once
	end      time.Time
}

// RoundTrip sends one request as one CLIENT span. The request it was given is
// not changed, and the response is the base transport's but for its body.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	op := t.op
	x := &exchange{op: op, spanID: op.nextSpanID(), start: time.Now(), req: req}
	resend := op.begin(x)
	x.attempt = span.Attempt{
		TraceID: op.traceID, SpanID: x.spanID, Operation: op.spanID, TraceState: op.traceState,
		Number: clamp16(t.attempt), Resend: clamp16(resend), Sampled: op.sampled,
		Start: x.start.UnixNano(),
	}
	if resend == 0 || x.firstOfAttempt(t) {
		x.attempt.Backoff = int64(t.backoff)
	}
	ctx := req.Context()
	if op.span != nil {
		ctx = x.startSpan(ctx, resend)
	}
	sent := req.WithContext(httptrace.WithClientTrace(ctx, x.conn.hooks()))
	sent.Header = x.inject(req)
	resp, err := t.base.RoundTrip(sent)
	if err != nil {
		x.finish(err)
		return resp, err
	}
	resp.Request = req
	x.resp = resp
	x.attempt.Marks = op.client.provider.marks.parse(resp.Header[toxicHeader])
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == nil || resp.Body == http.NoBody {
		x.finish(nil)
		return resp, nil
	}
	resp.Body = &body{ReadCloser: resp.Body, done: x.finish}
	return resp, nil
}

// firstOfAttempt reports whether this is the first round trip of a retry: its
// redirect hops and authentication exchanges did not wait for the backoff.
func (x *exchange) firstOfAttempt(t *transport) bool {
	x.op.mu.Lock()
	defer x.op.mu.Unlock()
	first := t.backoff > 0
	t.backoff = 0
	return first
}

// inject returns the headers to send: the script's and ours.
func (x *exchange) inject(req *http.Request) http.Header {
	header := req.Header.Clone()
	if header == nil {
		header = make(http.Header, 4)
	}
	op := x.op
	c := carrier{
		traceID: op.traceID, spanID: x.spanID, parentID: op.spanID, sampled: op.sampled,
		traceState: op.traceState, baggage: op.client.baggage,
	}
	for _, inject := range op.client.propagators {
		inject(header, c)
	}
	if op.client.config.Correlate && len(op.client.propagators) > 0 {
		correlate(header, op.config.DefaultUserAgent,
			tracecontext.Correlation{TraceID: op.traceID, SpanID: x.spanID})
	}
	return header
}

// correlate appends the correlation token unless the script set a User-Agent.
func correlate(header http.Header, defaultAgent string, c tracecontext.Correlation) {
	agent := header.Get("User-Agent")
	switch agent {
	case "":
		header["User-Agent"] = []string{c.String()}
	case defaultAgent:
		header["User-Agent"] = []string{agent + " " + c.String()}
	}
}

// finish completes the attempt, once: at the end of the body, when it is
// closed, or on the error that ended the round trip.
func (x *exchange) finish(err error) {
	x.once.Do(func() {
		x.end = time.Now()
		x.complete(err)
		if x.span != nil {
			x.describe(err)
		}
		held := x.op.config.Hold && x.span != nil
		x.op.closed(x)
		if x.span != nil && (!held || x.op.isEnded()) {
			x.endSpan()
		}
		x.op.client.sink.Attempt(x.attempt)
	})
}

func (op *Operation) isEnded() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.ended
}

func (x *exchange) endSpan() { x.span.End(trace.WithTimestamp(x.end)) }

// complete fills the attempt record.
func (x *exchange) complete(err error) {
	a := &x.attempt
	a.Duration = int64(x.end.Sub(x.start))
	timing := x.conn.timing()
	a.Blocked, a.Connecting, a.TLS, a.Waiting = timing.blocked, timing.connecting, timing.tls, timing.waiting
	a.Sends = timing.sends
	switch {
	case x.resp != nil:
		a.Outcome, a.Status = span.OutcomeAnswered, clamp16(x.resp.StatusCode)
		a.Sends = max(a.Sends, 1)
	case timing.connected:
		a.Outcome = span.OutcomeSentFailed
	default:
		a.Outcome = span.OutcomeNotSent
	}
	a.ErrorType = errorType(x.resp, err)
	a.Labels = x.op.config.Labels(x.req, x.resp, err)
}

// describe puts what is only known now on the span.
func (x *exchange) describe(err error) {
	provider := x.op.client.provider
	attributes := make([]attribute.KeyValue, 0, 8)
	if x.resp != nil {
		attributes = append(attributes, provider.names.status(x.resp.StatusCode)...)
		attributes = append(attributes, attribute.String("network.protocol.version", protocolVersion(x.resp)))
		attributes = append(attributes, x.op.client.capture.headers(
			"http.response.header.", x.op.client.capture.response, x.resp.Header)...)
	}
	if host, port, ok := x.conn.peer(); ok {
		attributes = append(attributes, attribute.String("network.peer.address", host),
			attribute.Int("network.peer.port", port))
	}
	if x.attempt.ErrorType != "" {
		attributes = append(attributes, attribute.String("error.type", x.attempt.ErrorType))
	}
	if x.attempt.Sends > 1 {
		attributes = append(attributes, attribute.Int("continuity.sends", int(x.attempt.Sends)))
	}
	if x.op.client.config.Timings {
		attributes = append(attributes, x.timings()...)
	}
	x.span.SetAttributes(attributes...)
	switch {
	case err != nil && !interrupted(err):
		x.span.SetStatus(codes.Error, err.Error())
	case err == nil && x.resp != nil && x.resp.StatusCode >= http.StatusBadRequest:
		x.span.SetStatus(codes.Error, "")
	}
}

func (x *exchange) timings() []attribute.KeyValue {
	ms := func(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
	return []attribute.KeyValue{
		attribute.Float64("continuity.blocked_ms", ms(x.attempt.Blocked)),
		attribute.Float64("continuity.connecting_ms", ms(x.attempt.Connecting)),
		attribute.Float64("continuity.tls_ms", ms(x.attempt.TLS)),
		attribute.Float64("continuity.waiting_ms", ms(x.attempt.Waiting)),
	}
}

// clamp16 narrows a count; more than 65535 is as good as 65535.
func clamp16(n int) uint16 { return uint16(max(0, min(n, 1<<16-1))) } //nolint:gosec // clamped
