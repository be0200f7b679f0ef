package cli

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// load collects the client spans of the load from files and makes attempts of
// them.
type load struct {
	service string // service.name of the load; empty for the traced client's
	spans   uint64 // seen, of any kind
	clients []span.Record
	labels  map[*span.Descriptor]*span.Labels
	words   map[clientID]*word // what the load's spans say, by span
	said    map[span.Labels]*span.Labels
	marks   map[string]*span.Marks
	unread  int // lines of the load whose testimony could not be read
}

func newLoad(service string) *load {
	return &load{
		service: service, labels: make(map[*span.Descriptor]*span.Labels),
		words: make(map[clientID]*word), said: make(map[span.Labels]*span.Labels),
		marks: make(map[string]*span.Marks),
	}
}

// take keeps the load's HTTP client spans of a batch.
func (l *load) take(batch []span.Record) {
	l.spans += uint64(len(batch))
	for i := range batch {
		r := &batch[i]
		if r.Kind == span.KindClient && clientspan.Owns(l.service, r.Descriptor) {
			l.clients = append(l.clients, *r)
		}
	}
}

// attempts makes attempts of the client spans, without those that were
// delivered twice, and numbers those of one operation.
func (l *load) attempts() []span.Attempt {
	slices.SortFunc(l.clients, func(a, b span.Record) int {
		return cmp.Or(bytes.Compare(a.TraceID[:], b.TraceID[:]),
			bytes.Compare(a.SpanID[:], b.SpanID[:]))
	})
	l.clients = slices.CompactFunc(l.clients, func(a, b span.Record) bool {
		return a.TraceID == b.TraceID && a.SpanID == b.SpanID
	})
	list := make([]span.Attempt, len(l.clients))
	for i := range l.clients {
		list[i] = l.attempt(&l.clients[i])
	}
	clientspan.Renumber(list)
	return list
}

func (l *load) attempt(r *span.Record) span.Attempt {
	labels := l.labels[r.Descriptor]
	if labels == nil {
		labels = &span.Labels{Name: r.Descriptor.Name, Method: r.Descriptor.Method}
		l.labels[r.Descriptor] = labels
	}
	a := clientspan.Attempt(r, labels)
	l.complete(&a)
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
