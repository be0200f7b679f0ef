package traced

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
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
	begun   bool // its first round trip has
}

// exchange is one round trip under way.
type exchange struct {
	op       *Operation
	spanID   tracecontext.SpanID
	late     *lateSpan            // nil without SDK spans
	recorded string               // url.full of the span
	headers  []attribute.KeyValue // of the request, those that are captured
	span     trace.Span           // made of late when the round trip is over
	prepared *PreparedSpan
	attempt  span.Attempt
	start    time.Time
	conn     connTrace
	carrier  carrier
	body     body
	req      *http.Request
	once     sync.Once

	// mu guards resp, for an operation may end while the transport is at work.
	mu   sync.Mutex
	resp *http.Response
}

// RoundTrip sends one request as one CLIENT span. The request it was given is
// not changed, and the response is the base transport's but for its body.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	op := t.op
	if !op.traces(req) {
		return t.base.RoundTrip(req)
	}
	x := t.begin(req)
	ctx := req.Context()
	sent := req.WithContext(x.conn.attach(ctx, x.start))
	sent.Header = x.inject(req)
	if op.span != nil {
		x.startSpan(sent.Header)
	}
	op.send(x)
	resp, err := t.base.RoundTrip(sent)
	if err != nil {
		x.finish(err)
		return resp, err
	}
	resp.Request = req
	x.answered(resp)
	if resp.StatusCode == http.StatusSwitchingProtocols ||
		resp.Body == nil || resp.Body == http.NoBody {
		x.finish(nil)
		return resp, nil
	}
	x.body = body{resp.Body, x}
	resp.Body = &x.body
	return resp, nil
}

// begin numbers the round trip and fills in what is known of its attempt.
func (t *transport) begin(req *http.Request) *exchange {
	op := t.op
	x := &exchange{op: op, start: time.Now(), req: req}
	resend, waited, hop := op.begin(x, t)
	x.attempt = span.Attempt{
		TraceID: op.traceID, SpanID: x.spanID, Operation: op.spanID, TraceState: op.traceState,
		Number: clamp16(t.attempt), Resend: clamp16(resend), Sampled: bool(op.sampled),
		Start: x.start.UnixNano(), Backoff: int64(waited), Hop: hop,
	}
	return x
}

// answered notes that response headers arrived.
func (x *exchange) answered(resp *http.Response) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.resp = resp
}

// inject returns the headers to send: the script's and ours. The values that
// are the script's are shared, and nobody writes to them.
func (x *exchange) inject(req *http.Request) http.Header {
	header := make(http.Header, len(req.Header)+4)
	maps.Copy(header, req.Header)
	op := x.op
	x.carrier = carrier{op: op, spanID: x.spanID}
	for _, inject := range op.client.propagators {
		inject(header, &x.carrier)
	}
	if op.client.config.Correlate && len(op.client.propagators) > 0 {
		x.carrier.correlate(header, op.config.DefaultUserAgent)
	}
	return header
}

// finish completes the attempt, once: at the end of the body, when it is
// closed, or on the error that ended the round trip.
func (x *exchange) finish(err error) {
	x.once.Do(func() {
		x.mu.Lock()
		resp := x.resp
		x.mu.Unlock()
		x.attempt.Duration = int64(time.Since(x.start))
		x.complete(resp, err)
		if x.late != nil {
			x.makeSpan(resp, err)
		}
		held, last := x.op.closed(x, err)
		if x.span != nil && !held {
			x.endSpan()
		}
		if last {
			x.op.endSpan(nil)
		}
	})
}

// abandon completes the attempt of an operation that ends before its body was
// closed, or before its answer arrived.
func (x *exchange) abandon() {
	x.mu.Lock()
	answered := x.resp != nil
	x.mu.Unlock()
	if answered {
		x.finish(nil)
		return
	}
	x.finish(context.Canceled)
}

func (x *exchange) endSpan() {
	x.span.End(trace.WithTimestamp(x.start.Add(time.Duration(x.attempt.Duration))))
}

// complete fills the attempt record.
func (x *exchange) complete(resp *http.Response, err error) {
	a := &x.attempt
	timing := x.conn.timing(a.Duration)
	a.Blocked, a.Connecting = timing.blocked, timing.connecting
	a.TLS, a.Waiting = timing.tls, timing.waiting
	a.Sends = timing.sends
	switch {
	case resp != nil:
		a.Outcome, a.Status = span.OutcomeAnswered, clamp16(resp.StatusCode)
		a.Sends = max(a.Sends, 1)
		a.Marks = x.op.client.provider.marks.parse(resp.Header[toxicHeader])
	case timing.connected:
		a.Outcome = span.OutcomeSentFailed
	default:
		a.Outcome = span.OutcomeNotSent
	}
	a.ErrorType = x.op.errorType(resp, err)
	a.Labels = x.op.config.Labels(x.req, resp, err)
}

// clamp16 narrows a count; more than 65535 is as good as 65535.
func clamp16(n int) uint16 { return uint16(max(0, min(n, 1<<16-1))) } //nolint:gosec // clamped
