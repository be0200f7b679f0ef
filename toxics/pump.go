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
	rest  []byte              // input that waits to be read
	came  *stream.StreamChunk // that has just brought the rest; nil for none
	out   []byte              // output that is not handed on yet
	owned bool                // out is not a part of the input
	until time.Time
	eof   bool // the input has ended
	ended bool // nothing more is to be written
	timer alarm
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

// maxChunk bounds what goes on as one chunk. Toxiproxy v2.12.0 loses the end of one
// of more than 64 KiB, when the next is there before it has been read:
// stream.ChanReader.
const maxChunk = 32 << 10

// flush hands on the output, and returns false when the connection that it is
// for is gone.
func (p *pump) flush(stub *toxics.ToxicStub, to net.Conn) bool {
	for {
		chunk := p.chunk()
		if chunk == nil {
			return true
		}
		if !p.hand(stub, chunk, to) {
			return false
		}
	}
}

func (p *pump) hand(stub *toxics.ToxicStub, chunk *stream.StreamChunk, to net.Conn) bool {
	select {
	case stub.Output <- chunk: // who reads it mostly waits for it
		return true
	default:
	}
	for {
		p.timer.set(blockedCheck)
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

// take makes a chunk of the input what is read next; nil is its end.
func (p *pump) take(chunk *stream.StreamChunk) {
	if p.came = chunk; chunk == nil {
		p.eof = true
		return
	}
	p.rest = chunk.Data
}

// renew is called for a toxic that may take its time. What comes out is a chunk of
// its own then, as toxiproxy's latency counts from the time in the chunk.
func (p *pump) renew(x *exchange) {
	if x.chosen {
		p.came = nil
	}
}

// chunk takes the next of the output; nil for none. What goes out as it has just
// come in is the chunk that came.
func (p *pump) chunk() *stream.StreamChunk {
	came, out := p.came, p.out
	p.came, p.out = nil, nil
	switch {
	case len(out) == 0:
		p.owned = false
		return nil
	case came != nil && !p.owned && len(out) == len(came.Data) && &out[0] == &came.Data[0]:
		return came
	case len(out) > maxChunk:
		out, p.out = out[:maxChunk], out[maxChunk:]
	}
	return &stream.StreamChunk{Data: out, Timestamp: time.Now()}
}

// alarm is a timer that is made when it is first set.
type alarm struct{ *time.Timer }

func (a *alarm) set(d time.Duration) <-chan time.Time {
	if a.Timer == nil {
		a.Timer = time.NewTimer(d)
	} else {
		a.Reset(d)
	}
	return a.C
}

// waits reports whether a delay is under way. It is until it has been seen to be over, as
// what waited for it is to go on first.
func (p *pump) waits() bool { return !p.until.IsZero() }

// over reports whether no delay is under way, and ends one whose time has come: it would
// wake the half again and again.
func (p *pump) over() bool {
	if !p.until.IsZero() && time.Until(p.until) > 0 {
		return false
	}
	p.until = time.Time{}
	return true
}

// deadline is a channel that fires when the delay is over; nil without a delay.
func (p *pump) deadline() <-chan time.Time {
	if p.until.IsZero() {
		return nil
	}
	if d := time.Until(p.until); d > 0 {
		return p.timer.set(d)
	}
	return p.timer.set(0) // it has just ended
}

// finish closes the stub and reads its input to the end: what feeds it would
// wait for ever otherwise. Nobody can interrupt a stub that is closed.
func finish(stub *toxics.ToxicStub) {
	stub.Close()
	for range stub.Input {
		continue // the bytes have nowhere to go
	}
}
