package traced

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// OperationConfig describes one logical request.
type OperationConfig struct {
	Method   string // as the script wrote it
	URL      string // for the operation span; redacted before it is recorded
	Template string // url.template; empty when not known
	// Labels gives the labels of a round trip that has ended, on the goroutine that sent it.
	Labels func(req *http.Request, resp *http.Response, err error) *span.Labels
	// DefaultUserAgent is what k6 sends when the script sets no User-Agent.
	DefaultUserAgent string
	// URLFilter rewrites what is recorded as url.full; nil leaves it. It is called
	// from the goroutines that send.
	URLFilter func(string) string
	// EndsAtOnce promises that End follows the last round trip without delay,
	// whatever happens. Its attempt goes to the sink together with the end.
	EndsAtOnce bool
	// Alone says that the context holds no application span: it is not searched.
	Alone bool
	// Hold keeps the last client span of each attempt open until Release.
	Hold bool
	// Traceparent and Tracestate are headers that the script set, used with Continue.
	Traceparent, Tracestate string
}

// Operation is one logical request: the parent of its attempts. Its methods
// are safe for concurrent use, as the round trips of a batch are.
type Operation struct {
	client     *Client
	config     OperationConfig
	traceID    tracecontext.TraceID
	spanID     tracecontext.SpanID
	traceState string
	sampled    decision
	random     bool // the trace id is random, and the client says so
	excluded   bool
	ctx        context.Context // the VU's: tells an interruption from a timeout
	span       *lateSpan       // nil without SDK spans
	under      context.Context // of spans that are its children
	recorded   string          // url.full of the span

	mu       sync.Mutex
	opened   bool // the sink knows the trace
	handed   bool // End has handed over what was kept
	trips    int
	last     tracecontext.SpanID
	failed   error        // how the last round trip ended
	ids      string       // traceparent of the last round trip; empty when not known
	kept     *exchange    // ended, and not yet with the sink
	open     []*exchange  // round trips whose body is still being read
	inline   [1]*exchange // room for the usual one
	held     []*exchange  // ended, but kept for a response hook
	prepared *PreparedSpan
	ended    bool
	left     bool // its span ends with the last round trip that is open
}

// Start begins an operation: a child of the application span in ctx, or of the
// traceparent to be continued, or else a trace of its own.
func (c *Client) Start(ctx context.Context, config OperationConfig) *Operation {
	op := &Operation{client: c, config: config, spanID: newSpanID(), ctx: ctx}
	if c.excludes(config.URL) {
		op.excluded = true
		return op
	}
	op.start()
	return op
}

// start begins an operation that is not excluded.
func (op *Operation) start() {
	c := op.client
	parent, remote := op.parent()
	if parent.TraceID.IsZero() {
		op.traceID = newTraceID()
	} else {
		op.traceID = parent.TraceID
	}
	op.sampled = c.sampler.sample(op.traceID, parent)
	op.random = c.config.RandomFlag &&
		(!remote || parent.TraceID.IsZero() || parent.Random())
	if !op.keeps() || c.sink.Expects() {
		op.announce()
	}
	if bool(op.sampled) && c.provider.records(c.config) {
		op.startSpan(parent, remote)
	}
}

// parent finds what the operation belongs to; remote is a continued header.
func (op *Operation) parent() (parent tracecontext.Traceparent, remote bool) {
	if !op.config.Alone {
		if active, ok := activeSpan(op.ctx); ok {
			return active, false
		}
	}
	if !op.client.config.Continue || op.config.Traceparent == "" {
		return parent, false
	}
	parent, state, err := tracecontext.Extract(
		[]string{op.config.Traceparent}, []string{op.config.Tracestate})
	switch {
	case parent.TraceID.IsZero():
		op.client.provider.warnOnce("traceparent",
			fmt.Sprintf("continue: %v; a new trace is started", err))
	case err != nil:
		op.client.provider.warnOnce("tracestate",
			fmt.Sprintf("continue: %v; tracestate is not sent on", err))
	}
	op.traceState = state
	return parent, true
}

func (op *Operation) startSpan(parent tracecontext.Traceparent, remote bool) {
	provider := op.client.provider
	op.recorded = op.recordedURL(op.config.URL)
	op.span = provider.begin(lateSpan{
		ids: presetIDs{op.traceID, op.spanID}, kind: provider.internal,
		parent: withParent(op.ctx, parent, op.traceState, remote), start: time.Now(),
		name: provider.spanName(op.config.Method, op.config.Template),
	})
	op.under = withParent(context.Background(), tracecontext.Traceparent{
		TraceID: op.traceID, SpanID: op.spanID, Flags: parent.Flags,
	}, op.traceState, false)
}

// withParent puts a parent that the SDK has not made into the context.
func withParent(
	ctx context.Context, parent tracecontext.Traceparent, state string, remote bool,
) context.Context {
	if parent.TraceID.IsZero() {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return ctx
		}
		return trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	}
	traceState, _ := trace.ParseTraceState(state) // validated before; empty is fine
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(parent.TraceID), SpanID: trace.SpanID(parent.SpanID),
		TraceFlags: trace.TraceFlags(parent.Flags), TraceState: traceState, Remote: remote,
	}))
}

// TraceID is the trace of the operation.
func (op *Operation) TraceID() tracecontext.TraceID { return op.traceID }

// LastSpanID is the client span of the last round trip; zero before the first.
func (op *Operation) LastSpanID() tracecontext.SpanID {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.last
}

// RoundTrips counts the traced round trips so far.
func (op *Operation) RoundTrips() int {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.trips
}

// Last tells how many traced round trips there were so far, and the ids of the
// last one, in hexadecimal digits.
func (op *Operation) Last() (traceID, spanID string, trips int) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.ids == "" {
		return op.traceID.String(), op.last.String(), op.trips
	}
	return op.ids[idsStart:traceEnd], op.ids[spanStart:idsEnd], op.trips
}

// Sampled is the sampled flag that the operation sends.
func (op *Operation) Sampled() bool { return bool(op.sampled) }

// Release ends the client spans that were held for a response hook.
func (op *Operation) Release() {
	op.mu.Lock()
	held := op.held
	op.held = nil
	op.mu.Unlock()
	for _, x := range held {
		x.endSpan()
	}
}

// LastSpan is the held client span of the last round trip; nil without one.
func (op *Operation) LastSpan() trace.Span {
	op.mu.Lock()
	defer op.mu.Unlock()
	if len(op.held) == 0 {
		return nil
	}
	return op.held[len(op.held)-1].span
}

// End closes the operation: bodies that nobody read count as closed now. What ended
// its last round trip, or else err, is the failure of the operation.
func (op *Operation) End(err error) {
	op.mu.Lock()
	if op.excluded || op.ended {
		op.ended = true
		op.mu.Unlock()
		return
	}
	op.ended = true
	open := op.open
	op.open = nil
	op.mu.Unlock()
	for _, x := range open {
		x.abandon()
	}
	op.Release()
	op.endSpan(op.outcome(err))
	op.close()
}

// Leave closes the operation of a VU that was interrupted: its round trips end by
// themselves, and nobody will call End.
func (op *Operation) Leave() {
	op.mu.Lock()
	if op.excluded || op.ended {
		op.ended = true
		op.mu.Unlock()
		return
	}
	op.ended, op.left = true, len(op.open) > 0
	left := op.left
	op.mu.Unlock()
	op.Release()
	if !left {
		op.endSpan(nil)
	}
	op.close()
}

func (op *Operation) endSpan(err error) {
	if op.span == nil {
		return
	}
	failed := err != nil && !op.interrupted(err)
	span := op.client.provider.make(op.span, func(out []attribute.KeyValue) []attribute.KeyValue {
		out = append(out, attribute.String("url.full", op.recorded))
		if failed {
			out = append(out, attribute.String("error.type", op.failure(err)))
		}
		return out
	})
	if failed {
		span.SetStatus(codes.Error, statusMessage(err))
	}
	span.End()
}

// begin numbers a round trip, from 0, and gives it its span id: the prepared
// span's, if a hook prepared one. The first round trip of an attempt has waited
// for the backoff; its hops have not.
func (op *Operation) begin(
	x *exchange, t *transport,
) (resend int, waited time.Duration, hop bool) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.handOver()
	resend = op.trips
	op.trips++
	waited, t.backoff = t.backoff, 0
	hop, t.begun = t.begun, true
	if x.prepared, op.prepared = op.prepared, nil; x.prepared != nil {
		x.spanID = x.prepared.spanID
	} else {
		x.spanID = newSpanID()
	}
	op.last, op.failed, op.ids = x.spanID, nil, ""
	return resend, waited, hop
}
