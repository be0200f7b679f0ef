package toxics

import (
	"time"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

const (
	// maxUndecided is how long a head is held back at most. What streams, such as
	// events, must not wait for what comes next.
	maxUndecided = 100 * time.Millisecond
	// maxHeld bounds the bytes that are held back behind a head.
	maxHeld = 64 << 10
)

// undecided is a response of which it is not known yet whether its body meets the
// cut: it is chunked, or ends with its connection. The head, which says so, is held
// back with what follows, until either the byte has come that the cut hits or the
// body has ended. At a bound it goes out with the mark, and the cut takes place when
// it comes; a body that ends before it is counted as unreached.
type undecided struct {
	head  *httpstream.Head
	held  []byte // what follows it
	until time.Time
}

// announce sends on the head that is held back, if any, with the mark of the cut.
func (r *responses) announce() {
	if r.undecided != nil {
		r.current.mark(r.current.cut.rule, r.current.cut.mode)
		r.decide()
	}
}

// decide sends on the head that is held back, if any, as it is.
func (r *responses) decide() {
	if u := r.undecided; u != nil {
		r.undecided = nil
		r.sendOn(u.head)
		r.emit(u.held)
	}
}

// lapse announces the cut when the time is over.
func (r *responses) lapse() {
	if r.undecided != nil && time.Until(r.undecided.until) <= 0 {
		r.announce()
	}
}

// emit adds to the output, or to what is held back.
func (r *responses) emit(data []byte) {
	if r.undecided == nil {
		r.pump.emit(data)
		return
	}
	r.undecided.held = append(r.undecided.held, data...)
	if len(r.undecided.held) > maxHeld {
		r.announce()
	}
}

// deadline is a channel that fires when there is something to do.
func (r *responses) deadline() <-chan time.Time {
	if r.undecided != nil {
		return r.timer.set(time.Until(r.undecided.until))
	}
	return r.pump.deadline()
}
