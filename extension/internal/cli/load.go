package cli

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// load collects the client spans of the load from files and makes attempts of
// them.
type load struct {
	service string // service.name of the load; empty for spans of span.LoadScope
	spans   uint64 // seen, of any kind
	clients []span.Record
	labels  map[*span.Descriptor]*span.Labels
}

func newLoad(service string) *load {
	return &load{service: service, labels: make(map[*span.Descriptor]*span.Labels)}
}

// take keeps the load's HTTP client spans of a batch.
func (l *load) take(batch []span.Record) {
	l.spans += uint64(len(batch))
	for i := range batch {
		r := &batch[i]
		if r.Kind == span.KindClient && r.Descriptor.Method != "" && l.owns(r.Descriptor) {
			l.clients = append(l.clients, *r)
		}
	}
}

func (l *load) owns(d *span.Descriptor) bool {
	if l.service != "" {
		return d.Service == l.service
	}
	return d.Scope == span.LoadScope
}

// attempts orders the client spans by trace, operation and start, drops what
// was delivered twice, and numbers those of one operation.
func (l *load) attempts() []span.Attempt {
	slices.SortFunc(l.clients, func(a, b span.Record) int {
		return cmp.Or(bytes.Compare(a.TraceID[:], b.TraceID[:]),
			bytes.Compare(a.ParentID[:], b.ParentID[:]), cmp.Compare(a.Start, b.Start),
			bytes.Compare(a.SpanID[:], b.SpanID[:]))
	})
	l.clients = slices.CompactFunc(l.clients, func(a, b span.Record) bool {
		return a.TraceID == b.TraceID && a.SpanID == b.SpanID
	})
	list := make([]span.Attempt, 0, len(l.clients))
	for i := range l.clients {
		a := l.attempt(&l.clients[i])
		if n := len(list); n > 0 && sameOperation(&list[n-1], &a) {
			before := &list[n-1]
			a.Number, a.Resend = before.Number+1, before.Resend+1
			a.Backoff = max(0, a.Start-before.Start-before.Duration)
		}
		list = append(list, a)
	}
	return list
}

// sameOperation reports whether two attempts belong to one logical request:
// they share the span around them.
func sameOperation(a, b *span.Attempt) bool {
	return a.TraceID == b.TraceID && a.Operation == b.Operation &&
		a.Operation != tracecontext.SpanID{}
}

func (l *load) attempt(r *span.Record) span.Attempt {
	labels := l.labels[r.Descriptor]
	if labels == nil {
		labels = &span.Labels{Name: r.Descriptor.Name, Method: r.Descriptor.Method}
		l.labels[r.Descriptor] = labels
	}
	a := span.Attempt{
		TraceID: r.TraceID, SpanID: r.SpanID, Operation: r.ParentID, Labels: labels,
		TraceState: r.TraceState, Start: r.Start, Duration: max(0, r.End-r.Start),
		Number: 1, Sends: 1, Status: r.Status, Sampled: true,
	}
	if r.Status == 0 {
		// Whether a byte left cannot be told from the span: no SERVER span is no proof.
		a.Outcome = span.OutcomeSentFailed
	}
	return a
}

// start is when the first attempt began; there is one at least.
func (l *load) start() time.Time {
	first := slices.MinFunc(l.clients, func(a, b span.Record) int {
		return cmp.Compare(a.Start, b.Start)
	})
	return time.Unix(0, first.Start)
}

// end is when the last attempt ended.
func (l *load) end() time.Time {
	last := slices.MaxFunc(l.clients, func(a, b span.Record) int {
		return cmp.Compare(a.End, b.End)
	})
	return time.Unix(0, last.End)
}
