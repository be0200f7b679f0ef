package traced

import "slices"

// keeps reports whether the last attempt is handed over with the operation's end.
func (op *Operation) keeps() bool { return op.config.EndsAtOnce }

// announce opens the trace, once, even where an application span has: a request
// that nobody awaits outlives its span. What calls it holds mu, but for Start.
func (op *Operation) announce() {
	if !op.opened {
		op.opened = true
		op.client.sink.Open(op.traceID)
	}
}

// HandOver gives the sink what the operation has kept for its end, which is not
// as near as it seemed.
func (op *Operation) HandOver() {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.handOver()
}

func (op *Operation) handOver() {
	if op.kept != nil {
		op.announce()
		op.client.sink.Attempt(op.kept.attempt)
		op.kept = nil
	}
}

// close tells the sink of the end, with what was kept for it.
func (op *Operation) close() {
	op.mu.Lock()
	kept, opened := op.kept, op.opened
	op.kept, op.handed = nil, true
	op.mu.Unlock()
	switch {
	case kept != nil && opened:
		op.client.sink.Finish(kept.attempt)
	case kept != nil:
		op.client.sink.Whole(kept.attempt)
	case opened:
		op.client.sink.Close(op.traceID)
	}
}

// send puts an exchange on the list of those that End completes.
func (op *Operation) send(x *exchange) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.last == x.spanID {
		op.ids = x.carrier.ids
	}
	if op.open == nil && !op.ended { // the list that End has taken may be in there
		op.open = op.inline[:0]
	}
	op.open = append(op.open, x)
}

// closed takes an exchange off the open list when its attempt is with the sink
// or kept for it. The span is held if there is a response hook to come. The last
// round trip of an operation that was left ends that one's span.
func (op *Operation) closed(x *exchange, err error) (held, last bool) {
	if !op.keeps() {
		op.client.sink.Attempt(x.attempt)
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	switch {
	case !op.keeps():
	case op.handed && !op.client.sink.Expects():
		op.client.sink.Whole(x.attempt)
	case op.handed: // it was sent after the end
		op.client.sink.Attempt(x.attempt)
	default:
		op.handOver()
		op.kept = x
	}
	if x.spanID == op.last {
		op.failed = err
	}
	if i := slices.Index(op.open, x); i >= 0 {
		op.open = slices.Delete(op.open, i, i+1)
	}
	held = op.config.Hold && !op.ended && x.span != nil
	if held {
		op.held = append(op.held, x)
	}
	last = op.left && len(op.open) == 0
	op.left = op.left && !last
	return held, last
}
