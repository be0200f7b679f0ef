package toxics

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// link is one connection: what its two halves share.
type link struct {
	hub      *Hub
	paired   chan struct{} // closed when the response half has taken the link
	wake     chan struct{} // tells the response half of an answer to write
	upgraded atomic.Bool   // the response half saw the connection change its protocol
	reset    atomic.Bool   // a toxic has ended the connection

	mu    sync.Mutex
	queue []*exchange // in the order of the requests
}

func newLink(h *Hub) *link {
	return &link{hub: h, paired: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// push adds a request that the response half will answer or pair.
func (l *link) push(x *exchange) {
	l.mu.Lock()
	l.queue = append(l.queue, x)
	l.mu.Unlock()
	if x.abort {
		l.notify()
	}
}

func (l *link) notify() {
	select {
	case l.wake <- struct{}{}:
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

func (l *link) pop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue[0] = nil
	l.queue = l.queue[1:]
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
