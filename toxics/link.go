package toxics

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxQueue bounds the requests of one connection that wait for their response.
// Pipelining clients wait when it is reached.
const maxQueue = 256

// link is one connection: what its two halves share.
type link struct {
	hub    *Hub
	ends   endpoints
	paired chan struct{} // closed when the response half has taken the link
	wake   chan struct{} // tells the response half that something is due
	room   chan struct{} // tells the request half that the queue has room
	opaque atomic.Bool   // a half saw that the connection is not, or no longer, HTTP/1.1
	// scripts are the runs of scripts on this connection. The request half alone
	// finds and makes them.
	scripts map[*rule]*scriptRun

	mu    sync.Mutex
	queue []*exchange // in the order of the requests
	spare *exchange   // one that is over, to be used again
	shut  bool        // no response goes out any longer
}

func newLink(h *Hub) *link {
	return &link{
		hub: h, paired: make(chan struct{}),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// push adds a request that the response half will answer or pair. Without room
// for it, it returns false, and room tells when to try again. With it comes an
// exchange that is over, if there is one: most requests need no memory then.
func (l *link) push(x *exchange) (spare *exchange, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.shut:
		x.settle()
	case len(l.queue) >= maxQueue:
		return nil, false
	default:
		l.queue = append(l.queue, x)
	}
	spare, l.spare = l.spare, nil
	return spare, true
}

// shutDown is called when no response goes out any longer. What waits for one has none.
func (l *link) shutDown() {
	l.mu.Lock()
	waiting := l.queue
	l.queue, l.shut = nil, true
	l.mu.Unlock()
	for _, x := range waiting {
		x.settle()
	}
	signal(l.room)
}

// notify wakes the response half.
func (l *link) notify() { signal(l.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// front is the oldest request without a whole response; nil for none.
func (l *link) front() *exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	return l.queue[0]
}

// alone reports whether no request waits behind the oldest.
func (l *link) alone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 1
}

// pop takes the oldest request off the queue.
func (l *link) pop() {
	l.mu.Lock()
	full := len(l.queue) == maxQueue
	if x := l.queue[0]; !x.chosen {
		l.spare = x // nobody has it but the request half, which comes for it when it is done
	}
	l.queue = slices.Delete(l.queue, 0, 1) // at the front, to be used again
	l.mu.Unlock()
	if full {
		signal(l.room)
	}
}

// passThrough makes both halves pass on what comes, and counts it once.
func (l *link) passThrough() {
	if l.opaque.CompareAndSwap(false, true) {
		l.hub.opaque.Add(1)
	}
}

// first is called for the upstream half of a connection and leaves its link
// for the downstream half, which toxiproxy starts next.
func (h *Hub) first() *link {
	if !startsLink() {
		h.unpaired.Add(1)
		return nil
	}
	l := newLink(h)
	h.pairing.Lock()
	defer h.pairing.Unlock()
	if h.connections != nil {
		l.ends = h.connections.newest()
	}
	h.unclaimed = l
	return l
}

// second takes the link that the upstream half left.
func (h *Hub) second() *link {
	if !startsLink() {
		return nil
	}
	h.pairing.Lock()
	defer h.pairing.Unlock()
	l := h.unclaimed
	h.unclaimed = nil
	if l != nil {
		close(l.paired)
	}
	return l
}

// startsLink tells a new connection from a toxic that was added to an open
// one: toxiproxy makes the state of both, and only the first has two halves
// that start together.
func startsLink() bool {
	var callers [8]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "(*ToxicLink).Start") {
			return true
		}
		if !more {
			return false
		}
	}
}
