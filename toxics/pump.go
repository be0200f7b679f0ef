package toxics

import (
	"net"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// pump is what both halves of a link have in common: one direction's bytes. It
// is the state of a stub and survives interrupts, so that a delay goes on where
// it was when a toxic comes or goes elsewhere in the chain.
type pump struct {
	rest  []byte // input that waits to be read
	out   []byte // output that is not handed on yet
	owned bool   // out is not a part of the input
	until time.Time
	eof   bool // the input has ended
	ended bool // nothing more is to be written
	timer *time.Timer
}

// emit adds to the output. Neighbouring parts of the input stay where they are.
func (p *pump) emit(data []byte) {
	n := len(p.out)
	switch {
	case len(data) == 0:
	case n == 0:
		p.out, p.owned = data, false
	case p.owned:
		p.out = append(p.out, data...)
	case cap(p.out) > n && &p.out[:n+1][n] == &data[0]:
		p.out = p.out[:n+len(data)]
	default:
		p.out, p.owned = append(p.out[:n:n], data...), true
	}
}

// blockedCheck is how often a half that cannot hand on its output looks whether
// the connection is still there. Toxiproxy stops reading when a write fails, and
// tells nobody.
const blockedCheck = 250 * time.Millisecond

// flush hands on the output, and returns false when the connection that it is
// for is gone.
func (p *pump) flush(stub *toxics.ToxicStub, to net.Conn) bool {
	if len(p.out) == 0 {
		return true
	}
	chunk := &stream.StreamChunk{Data: p.out, Timestamp: time.Now()}
	p.out, p.owned = nil, false
	select {
	case stub.Output <- chunk: // who reads it mostly waits for it
		return true
	default:
	}
	for {
		p.alarm(blockedCheck)
		select {
		case stub.Output <- chunk:
			p.timer.Stop()
			return true
		case <-p.timer.C:
			if to != nil && closed(to) {
				return false
			}
		}
	}
}

// alarm sets the pump's timer.
func (p *pump) alarm(d time.Duration) <-chan time.Time {
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	} else {
		p.timer.Reset(d)
	}
	return p.timer.C
}

// waits reports whether a delay is under way.
func (p *pump) waits() bool { return !p.until.IsZero() && time.Until(p.until) > 0 }

// deadline is a channel that fires when the delay is over; nil without a delay.
func (p *pump) deadline() <-chan time.Time {
	if p.until.IsZero() {
		return nil
	}
	if d := time.Until(p.until); d > 0 {
		return p.alarm(d)
	}
	return p.alarm(0) // it has just ended
}

// finish closes the stub and reads its input to the end: what feeds it would
// wait for ever otherwise. Nobody can interrupt a stub that is closed.
func finish(stub *toxics.ToxicStub) {
	stub.Close()
	for range stub.Input {
		continue // the bytes have nowhere to go
	}
}
