package toxics

import (
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// requests is the state of a connection's request half. It is used by one
// goroutine at a time.
type requests struct {
	*link
	pump

	parser   *httpstream.Parser
	held     *exchange // its head waits to be sent on
	current  *exchange // its body is under way
	spare    *exchange // for the next; nil for none
	dropping bool      // the rest of an aborted request's body
	discard  bool      // all that comes: the connection is to be reset
	lost     bool      // where an aborted request ends: the connection is to end
	stirs    bool      // the end of current matters to the response half
	stirred  bool      // the response half has something to do
}

func newRequests(l *link) *requests {
	return &requests{link: l, parser: httpstream.NewRequestParser()}
}

// pairingTime is far above what toxiproxy takes to start the second half.
const pairingTime = 10 * time.Second

// Pipe implements toxics.Toxic.
func (t *RequestHalf) Pipe(stub *toxics.ToxicStub) {
	r, ok := stub.State.(*requests)
	if !ok {
		passThrough(stub)
		return
	}
	if !r.pair(stub) {
		return
	}
	for {
		r.process()
		if !r.flush(stub, r.ends.upstream) {
			r.giveUp()
			finish(stub)
			return
		}
		r.tell()
		if r.lost {
			finish(stub)
			return
		}
		if r.eof && r.held == nil {
			stub.Close()
			return
		}
		input, room := stub.Input, r.room
		if r.eof || r.held != nil {
			input = nil
		} else {
			room = nil // nothing waits for it
		}
		select {
		case <-stub.Interrupt:
			return
		case <-r.deadline():
		case <-room:
		case chunk := <-input:
			r.take(chunk)
		}
	}
}

// pair waits for the response half; without one the connection passes through.
func (r *requests) pair(stub *toxics.ToxicStub) bool {
	select {
	case <-r.paired:
		return true
	default:
	}
	select {
	case <-r.paired:
	case <-stub.Interrupt:
		return false
	case <-time.After(pairingTime):
		if !r.opaque.Swap(true) {
			r.hub.unpaired.Add(1)
		}
	}
	return true
}

// Cleanup implements toxics.CleanupToxic.
func (t *RequestHalf) Cleanup(stub *toxics.ToxicStub) {
	r, ok := stub.State.(*requests)
	if !ok {
		return
	}
	r.passThrough()
	if r.held != nil {
		release(stub, r.held.head.Bytes())
		r.giveUp()
	}
	release(stub, r.parser.Pending(), r.rest)
}

// giveUp is called when a request that is held is not sent on as one.
func (r *requests) giveUp() {
	if r.held != nil {
		r.held.settle()
		r.held = nil
	}
}

// process reads the input until it is used up or has to wait.
func (r *requests) process() {
	if r.held != nil {
		r.admit()
	}
	for len(r.rest) > 0 && r.held == nil {
		if r.discard {
			r.rest = nil
			return
		}
		if r.opaque.Load() && r.parser.Boundary() {
			r.parser.SetOpaque()
		}
		var part httpstream.Part
		part, r.rest = r.parser.Next(r.rest)
		r.part(&part)
	}
	if r.eof && r.held == nil {
		r.emit(r.parser.Pending())
	}
}

func (r *requests) part(part *httpstream.Part) {
	switch part.Kind {
	case httpstream.KindHead:
		x := r.hub.exchange(r.link, part, r.spare)
		r.spare = nil
		if x.requestDelay > 0 {
			r.until = time.Now().Add(x.requestDelay)
		}
		r.held = x
		r.renew(x)
		r.admit()
	case httpstream.KindBody, httpstream.KindFraming:
		if !r.dropping {
			r.emit(part.Data)
		}
		if part.Last {
			r.end()
		}
	case httpstream.KindOpaque:
		if r.dropping {
			r.discard, r.lost = true, true
			return
		}
		r.passThrough()
		r.emit(part.Data)
	case httpstream.KindNone:
	}
}

// admit sends on the head that is held, when its delay is over and the queue has
// room. From the push on, the exchange belongs to the response half.
func (r *requests) admit() {
	x := r.held
	if !r.over() {
		return
	}
	abort, cut, head, bodyless := x.abort, x.cut.kind, x.head.Bytes(), x.bodyless
	var ok bool
	if r.spare, ok = r.push(x); !ok {
		return
	}
	r.held = nil
	r.current, r.stirs = x, abort || cut != noCut
	switch {
	case cut == resetBefore:
		r.discard, r.stirred = true, true
		return
	case abort:
		r.dropping, r.stirred = true, true
	default:
		r.emit(head)
	}
	if bodyless {
		r.end()
	}
}

// end is called when a request is whole.
func (r *requests) end() {
	r.dropping = false
	if r.current != nil {
		r.current.whole.Store(true)
		r.stirred = r.stirred || r.stirs
		r.current = nil
	}
}

// tell wakes the response half if it has something to do: after the flush, so
// that the service has what it is due before a reset.
func (r *requests) tell() {
	if r.stirred {
		r.stirred = false
		r.notify()
	}
}
