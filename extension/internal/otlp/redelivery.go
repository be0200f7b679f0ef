package otlp

import (
	"sync"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// remembered is the number of recent requests that a repetition is found in.
const remembered = 4096

// digest identifies a request by what no two different ones share: its first
// and last span and their number. A sender that got no answer sends the very
// same request again.
type digest struct {
	trace       tracecontext.TraceID
	first, last tracecontext.SpanID
	spans       int
}

// redeliveries remembers the digests of recent requests.
type redeliveries struct {
	mu   sync.Mutex
	seen map[digest]struct{}
	ring []digest
	next int
}

// add remembers d and reports whether it was known.
func (r *redeliveries) add(d digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.seen[d]; known {
		return true
	}
	if r.seen == nil {
		r.seen = make(map[digest]struct{}, remembered)
		r.ring = make([]digest, remembered)
	}
	delete(r.seen, r.ring[r.next])
	r.ring[r.next] = d
	r.next = (r.next + 1) % remembered
	r.seen[d] = struct{}{}
	return false
}

// repeated reports whether the request just delivered came before.
func (w *worker) repeated(spans int) bool {
	w.digest.spans = spans
	return w.receiver.recent.add(w.digest)
}
