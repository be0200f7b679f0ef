package collector

import (
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// intake takes spans of the load and of the services in any order and gives
// settled traces back. It has no clock and is not safe for concurrent use.
type intake struct {
	config   Config
	store    *join.Store
	decoder  *otlp.Decoder
	reader   *reader
	open     map[tracecontext.TraceID]*tracking
	settled  recent
	waiting  *waiting
	started  time.Time
	dropped  time.Time // of the last span dropped for want of room
	rejected uint64
	lost     uint64 // spans dropped for want of room
	doubled  uint64 // spans of the load that came again
	claims   []report.Claim
}

func newIntake(c Config, now time.Time) *intake {
	return &intake{
		config: c,
		store: join.New(join.Config{
			Settle: c.Settle, Linger: c.Linger, MaxTraces: c.MaxTraces, OpenLimit: c.Settle,
			Expect: c.Expect, Learning: c.Settle,
		}),
		decoder: otlp.NewDecoder(), reader: newReader(c.ClientService),
		open: make(map[tracecontext.TraceID]*tracking), waiting: newWaiting(), started: now,
	}
}

// take takes one batch.
func (in *intake) take(td ptrace.Traces, now time.Time) error {
	// Through the wire form, so that spans are read by the one decoder that the
	// extension's own receiver has.
	message, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		return err //nolint:wrapcheck // the Collector names the component
	}
	words := in.reader.read(td)
	result, err := in.decoder.Decode(message, func(batch []span.Record) {
		for i := range batch {
			in.record(&batch[i], words, now)
		}
	})
	in.rejected += uint64(result.Rejected) //nolint:gosec // not negative
	return err                             //nolint:wrapcheck // says what is malformed
}

func (in *intake) record(r *span.Record, words testimony, now time.Time) {
	switch {
	case r.Kind == span.KindClient && clientspan.Owns(in.config.ClientService, r.Descriptor):
		in.attempt(r, words, now)
	case in.open[r.TraceID] != nil:
		in.known(r, now)
	case !r.Claim.IsZero() && in.open[r.Claim.TraceID] != nil:
		in.store.Spans([]span.Record{*r}, now)
	case !r.Claim.IsZero():
		in.wait(r.Claim.TraceID, r, now)
	default:
		in.store.Root(r, now) // an attempt may have settled when the wait is over
		in.wait(r.TraceID, r, now)
	}
}

// attempt takes a CLIENT span of the load and what has waited for its trace.
func (in *intake) attempt(r *span.Record, words testimony, now time.Time) {
	t := in.open[r.TraceID]
	id := attemptID{r.TraceID, r.SpanID}
	if t != nil && t.has(r.SpanID) || in.settled.has(id) {
		in.doubled++
		return
	}
	fresh := t == nil
	if fresh {
		t = &tracking{}
		in.open[r.TraceID] = t
	}
	t.seen = append(t.seen, r.SpanID)
	if t.expect(r.ParentID) {
		in.store.Open(r.TraceID, now)
	}
	w, known := words[r.SpanID]
	if !known {
		w.labels = &span.Labels{Name: r.Descriptor.Name, Method: r.Descriptor.Method}
	}
	a := clientspan.Attempt(r, w.labels)
	w.apply(&a)
	in.store.Attempt(a, now)
	if !fresh {
		return
	}
	guests := in.waiting.take(r.TraceID)
	for i := range guests {
		in.known(&guests[i], now)
	}
}

// known takes a span that belongs to an open trace.
func (in *intake) known(r *span.Record, now time.Time) {
	t := in.open[r.TraceID]
	if t == nil || !in.isLoad(r) {
		in.store.Spans([]span.Record{*r}, now)
		return
	}
	if t.expect(r.ParentID) {
		in.store.Open(r.TraceID, now)
	}
	if t.end(r.SpanID) {
		in.store.Close(r.TraceID, now)
	}
}

// isLoad tells operations and application spans of the load from spans of
// services. The traced client makes its spans under a scope of its own.
func (in *intake) isLoad(r *span.Record) bool {
	if in.config.ClientService != "" {
		return r.Descriptor.Service == in.config.ClientService && r.Kind != span.KindServer
	}
	return r.Descriptor.Scope == clientspan.Scope
}

func (in *intake) wait(id tracecontext.TraceID, r *span.Record, now time.Time) {
	for in.waiting.spans >= in.config.MaxWaiting {
		g := in.waiting.before(now.Add(time.Nanosecond))
		if g == nil {
			break
		}
		in.lost += uint64(len(g.spans))
		in.dropped = now
	}
	in.waiting.add(id, r, now)
}

// advance gives back the traces that have settled, and lets the spans go whose
// attempts have not come.
func (in *intake) advance(now time.Time) []*join.Trace {
	in.expire(now.Add(-in.config.Settle), now)
	return in.finish(in.store.Advance(now), now)
}

// drain gives back everything.
func (in *intake) drain(detail string, now time.Time) []*join.Trace {
	in.expire(now.Add(time.Nanosecond), now)
	return in.finish(in.store.Drain(detail, now), now)
}

func (in *intake) finish(traces []*join.Trace, now time.Time) []*join.Trace {
	for _, t := range traces {
		delete(in.open, t.ID)
		renumber(t)
		for i := range t.Attempts {
			in.settled.add(attemptID{t.ID, t.Attempts[i].SpanID})
		}
		in.settled.add(attemptID{trace: t.ID})
		if detail := in.doubt(t, now); detail != "" && t.Reason == join.ReasonTimeout {
			t.Reason, t.Detail = join.ReasonPartial, detail
		}
	}
	return traces
}

// renumber puts the attempts in order. What the join has tied to some of them by
// their places goes with them.
func renumber(t *join.Trace) {
	var before []span.Attempt
	if len(t.Roots)+len(t.Served) > 0 {
		before = slices.Clone(t.Attempts)
	}
	clientspan.Renumber(t.Attempts)
	place := func(old int) int {
		return slices.IndexFunc(t.Attempts, func(a span.Attempt) bool {
			return a.SpanID == before[old].SpanID
		})
	}
	for i := range t.Roots {
		t.Roots[i].Attempt = place(t.Roots[i].Attempt)
	}
	for i := range t.Served {
		t.Served[i].Attempt = place(t.Served[i].Attempt)
	}
}

// doubt says why the absence of a span proves nothing; empty when it does.
func (in *intake) doubt(t *join.Trace, now time.Time) string {
	if !in.dropped.IsZero() && now.Add(-t.SettleTime).Before(in.dropped.Add(in.config.Settle)) {
		return "spans were dropped for want of room (max_waiting)"
	}
	for i := range t.Attempts {
		if t.Attempts[i].Start < in.started.UnixNano() {
			return "the Collector started after the attempt"
		}
	}
	return ""
}

// expire lets go of the spans that came before a time. Those of which it can be
// told that they belong to an attempt elsewhere become claims.
func (in *intake) expire(at, now time.Time) {
	for g := in.waiting.before(at); g != nil; g = in.waiting.before(at) {
		late := in.settled.has(attemptID{trace: g.id})
		for i := range g.spans {
			r := &g.spans[i]
			if r.Kind == span.KindServer && !r.Claim.IsZero() && !late {
				in.claims = append(in.claims, report.Claim{
					TraceID: r.Claim.TraceID, SpanID: r.Claim.SpanID, Root: r.TraceID,
				})
			}
		}
		in.store.Noted(g.spans, now)
	}
}

// takeClaims gives up the claims so far.
func (in *intake) takeClaims() []report.Claim {
	claims := in.claims
	in.claims = nil
	return claims
}
