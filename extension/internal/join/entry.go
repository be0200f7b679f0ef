package join

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// entry is one open trace, with room for what most traces have.
type entry struct {
	head

	first [1]span.Attempt
	few   [2]span.Record
}

// empty makes the entry as new. What was never written is not touched.
func (e *entry) empty() {
	clear(e.few[:min(len(e.spans), len(e.few))])
	clear(e.first[:min(len(e.attempts), len(e.first))])
	e.head = head{}
}

// head is what is known of a trace. Times are Unix nanoseconds. What most traces do
// not have is in rare: there are very many entries.
type head struct {
	id          tracecontext.TraceID
	attempts    []span.Attempt
	spans       []span.Record
	rare        *rare
	event       int64 // of the last change
	lastAttempt int64 // when the last attempt, or operation, ended
	check       int64 // when to look at it next
	links       [orders]link
	operations  int32
	changed     bool // since completeness was last computed
	whole       bool
	hopeful     bool // something that is not due may still come
	concluded   bool // the source has no more
	renewed     bool // spans may have gone with the attempts before these
}

// rare is what few traces have.
type rare struct {
	claimed     []span.Record
	partial     string
	redelivered int
	truncated   int
}

// seldom reads what few traces have.
func (e *entry) seldom() rare {
	if e.rare == nil {
		return rare{}
	}
	return *e.rare
}

// odd makes room for what few traces have.
func (e *entry) odd() *rare {
	if e.rare == nil {
		e.rare = new(rare)
	}
	return e.rare
}

func (e *entry) touch(at int64) {
	e.event = at
	e.changed = true
}

// servers counts the SERVER spans that handle an attempt: those below it, and
// those elsewhere that claim it. A proxy may hand the User-Agent on, so a claim
// counts only from the service that is known to take such requests; from another
// one it waits for the proxy's own span, until Settle.
func (e *entry) servers(a *span.Attempt, known *roots) int {
	n := 0
	service := ""
	claims := func(r *span.Record) bool {
		if !r.Claims(a) {
			return false
		}
		if service == "" {
			service = known.service(a)
		}
		return service != "" && r.Descriptor.Service == service
	}
	claimed := e.seldom().claimed
	for i := range claimed {
		if claims(&claimed[i]) {
			n++
		}
	}
	for i := range e.spans {
		r := &e.spans[i]
		if r.Kind == span.KindServer && (below(r, a) || claims(r)) {
			n++
		}
	}
	return n
}

// below reports whether a SERVER span is directly below an attempt, and does
// not say that it belongs to another.
func below(r *span.Record, a *span.Attempt) bool {
	return (r.ParentID == a.SpanID || r.SpanID == a.SpanID) && (r.Claim.IsZero() || r.Claims(a))
}

// answered reports whether any SERVER span is tied to the attempt.
func (e *entry) answered(a *span.Attempt) bool { return e.answers(a) > 0 }

// answers is how many spans are tied to the attempt.
func (e *entry) answers(a *span.Attempt) int {
	n := 0
	for _, list := range [...][]span.Record{e.seldom().claimed, e.spans} {
		for i := range list {
			if r := &list[i]; r.Claims(a) || r.Kind == span.KindServer && below(r, a) {
				n++
			}
		}
	}
	if n == 0 && e.descends(a) {
		return 1
	}
	return n
}

// Bounds on walking up a trace. In a larger trace, and a longer chain, an
// attempt behind a proxy without a SERVER span of its own waits for Settle.
const (
	maxWalkSpans = 64
	maxWalkDepth = 16
)

// descends reports whether a SERVER span is below the attempt at any distance.
func (e *entry) descends(a *span.Attempt) bool {
	if len(e.spans) > maxWalkSpans {
		return false
	}
	for i := range e.spans {
		r := &e.spans[i]
		for depth := 0; r != nil && e.spans[i].Kind == span.KindServer; depth++ {
			if below(r, a) {
				return true
			}
			if r = e.find(r.ParentID); depth == maxWalkDepth {
				break
			}
		}
	}
	return false
}

// find returns the span with an id; nil if it has not come.
func (e *entry) find(id tracecontext.SpanID) *span.Record {
	if id.IsZero() {
		return nil
	}
	for i := range e.spans {
		if e.spans[i].SpanID == id {
			return &e.spans[i]
		}
	}
	return nil
}

func (e *entry) isAttempt(id tracecontext.SpanID) bool {
	return anyOf(e.attempts, func(a *span.Attempt) bool { return a.SpanID == id })
}

func (e *entry) has(id tracecontext.SpanID) bool {
	return anyOf(e.attempts, func(a *span.Attempt) bool {
		return a.SpanID == id || a.Operation == id
	}) || anyOf(e.spans, func(r *span.Record) bool { return r.SpanID == id })
}

func (e *entry) hasChild(id tracecontext.SpanID) bool {
	return anyOf(e.spans, func(r *span.Record) bool {
		return r.ParentID == id && r.Kind == span.KindServer
	})
}

// anyOf reports whether one of the list is so. Unlike [slices.ContainsFunc] it
// copies none, and they are large.
func anyOf[T any](list []T, is func(*T) bool) bool {
	for i := range list {
		if is(&list[i]) {
			return true
		}
	}
	return false
}

// insert adds a span to the trace's own, or to those that claim it, unless it
// has come before or there are too many.
func (e *entry) insert(r *span.Record, most int) fate {
	list := &e.spans
	if r.TraceID != e.id {
		list = &e.odd().claimed
	}
	same := func(other *span.Record) bool {
		return other.SpanID == r.SpanID && other.Kind == r.Kind &&
			other.Start == r.Start && other.TraceID == r.TraceID
	}
	switch {
	case anyOf(*list, same):
		e.odd().redelivered++
		return redelivered
	case len(*list) >= most:
		e.odd().truncated++
		return truncated
	}
	if *list == nil && r.TraceID == e.id {
		*list = e.few[:0]
	}
	*list = append(*list, *r)
	return taken
}

// fate is what became of a span.
type fate uint8

const (
	taken fate = iota
	redelivered
	truncated
	late
	unknown
)
