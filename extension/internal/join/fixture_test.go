package join_test

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// world is a store with a clock that the test moves.
type world struct {
	*join.Store

	now  time.Time
	keep bool // settled traces, and do not borrow them
}

func newWorld(c join.Config) *world {
	return &world{Store: join.New(c), now: time.Unix(1_700_000_000, 0)}
}

// after moves the clock and returns what settles by then: copies, as the traces
// themselves are only lent.
func (w *world) after(d time.Duration) []*join.Trace {
	w.now = w.now.Add(d)
	if w.keep {
		return w.Advance(w.now)
	}
	var out []*join.Trace
	w.Settle(w.now, func(part []*join.Trace) {
		for _, t := range part {
			c := *t
			c.Attempts, c.Spans = slices.Clone(t.Attempts), slices.Clone(t.Spans)
			c.Claimed, c.Roots = slices.Clone(t.Claimed), slices.Clone(t.Roots)
			out = append(out, &c)
		}
	})
	return out
}

// send opens trace n, records an attempt with span id s, and closes it.
func (w *world) send(n uint64, s byte, change ...func(*span.Attempt)) {
	w.Open(traceID(n), w.now)
	w.Attempt(w.attempt(n, s, change...), w.now)
	w.Close(traceID(n), w.now)
}

func (w *world) attempt(n uint64, s byte, change ...func(*span.Attempt)) span.Attempt {
	a := span.Attempt{
		TraceID: traceID(n), SpanID: spanID(s), Operation: spanID(90), Number: 1, Sends: 1,
		Status: 200, Sampled: true, Outcome: span.OutcomeAnswered, Start: w.now.UnixNano(),
		Labels: &span.Labels{Name: "http://shop/items/7", Method: "GET"},
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func (w *world) receive(r ...span.Record) { w.Spans(r, w.now) }

func unsampled(a *span.Attempt) { a.Sampled = false }
func reset(a *span.Attempt)     { a.Outcome, a.Status = span.OutcomeSentFailed, 0 }
func sentTwice(a *span.Attempt) { a.Sends = 2 }
func aborted(a *span.Attempt)   { a.Marks = &span.Marks{List: []span.Mark{{Mode: "abort"}}} }
func toGateway(a *span.Attempt) { a.Labels.Service = "gateway" }
func failed(a *span.Attempt)    { a.Status = 503 }

func traceID(n uint64) tracecontext.TraceID {
	var id tracecontext.TraceID
	binary.BigEndian.PutUint64(id[8:], n)
	id[0] = 1
	return id
}

func spanID(n byte) tracecontext.SpanID { return tracecontext.SpanID{n} }

// kinds are interned descriptors, as the receiver's are.
func descriptor(service string) *span.Descriptor {
	return &span.Descriptor{Service: service, Method: "GET", Route: "/items/{id}"}
}

func record(kind span.Kind, d *span.Descriptor, trace uint64, s, parent byte) span.Record {
	r := span.Record{
		TraceID: traceID(trace), SpanID: spanID(s), Kind: kind, Descriptor: d, Start: int64(s),
	}
	if parent != 0 {
		r.ParentID = spanID(parent)
	}
	return r
}

func server(trace uint64, s, parent byte) span.Record {
	return record(span.KindServer, descriptor("gateway"), trace, s, parent)
}

// claiming gives a span the User-Agent of an attempt.
func claiming(r span.Record, trace uint64, s byte) span.Record {
	r.Claim = tracecontext.Correlation{TraceID: traceID(trace), SpanID: spanID(s)}
	return r
}
