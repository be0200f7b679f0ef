package toxics

import (
	"net/http"
	"slices"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// responses is the state of a connection's response half. It is used by one
// goroutine at a time.
type responses struct {
	*link
	pump

	parser    *httpstream.Parser
	first     *exchange       // the oldest in the queue; nil if it has to be looked for
	held      httpstream.Part // a head that waits for its delay
	holds     bool
	current   *exchange  // whose response is under way
	undecided *undecided // its head, until it is known how to mark it
	patience  time.Duration
	served    time.Time // when something came from the service, or could first
	unused    time.Duration
	swallow   bool      // the response is replaced
	closing   *exchange // the last one: the connection ends when it is whole
	bodySeen  int64     // bytes of the current body's content so far
}

func newResponses(l *link) *responses {
	r := &responses{link: l, patience: maxUndecided, served: time.Now(), unused: maxUnused}
	r.parser = httpstream.NewResponseParser(func() string {
		if x := r.oldest(); x != nil {
			return x.method
		}
		return ""
	})
	return r
}

// oldest is the oldest request without a whole response; nil for none. Nobody but
// this half takes requests off the queue.
func (r *responses) oldest() *exchange {
	if r.first == nil {
		r.first = r.front()
	}
	return r.first
}

// done is called when the response to the oldest request is whole.
func (r *responses) done(x *exchange) {
	r.first = nil
	x.settle()
	r.pop()
}

// Pipe implements toxics.Toxic.
func (t *ResponseHalf) Pipe(stub *toxics.ToxicStub) {
	r, ok := stub.State.(*responses)
	if !ok {
		passThrough(stub)
		return
	}
	for {
		r.process()
		if !r.flush(stub, r.ends.client) || r.ended {
			r.shutDown()
			finish(stub)
			return
		}
		input := stub.Input
		if r.eof || len(r.rest) > maxHeld {
			input = nil
		}
		select {
		case <-stub.Interrupt:
			return
		case <-r.deadline():
		case <-r.wake:
		case chunk := <-input:
			r.take(chunk)
		}
	}
}

// take makes a chunk of the input what is read next, behind what waits for a delay. It is
// read meanwhile, as its end may come.
func (r *responses) take(chunk *stream.StreamChunk) {
	if chunk != nil {
		r.served = chunk.Timestamp
		if len(r.rest) > 0 {
			data := slices.Concat(r.rest, chunk.Data)
			chunk = &stream.StreamChunk{Data: data, Timestamp: chunk.Timestamp}
		}
	}
	r.pump.take(chunk)
}

// Cleanup implements toxics.CleanupToxic.
func (t *ResponseHalf) Cleanup(stub *toxics.ToxicStub) {
	r, ok := stub.State.(*responses)
	if !ok {
		return
	}
	r.passThrough()
	r.decide()
	if r.holds {
		release(stub, r.held.Data)
	}
	release(stub, r.out, r.parser.Pending(), r.rest)
	r.shutDown()
}

// process reads the input until it is used up or has to wait.
func (r *responses) process() {
	r.lapse()
	for !r.ended {
		if r.holds {
			r.begin()
		}
		if !r.holds && r.current == nil {
			r.due() // also behind a response that was whole with its head
		}
		if r.ended || r.waits() {
			return
		}
		if len(r.rest) == 0 {
			break
		}
		if r.opaque.Load() && r.parser.Boundary() && r.oldest() == nil {
			r.parser.SetOpaque()
		}
		var part httpstream.Part
		part, r.rest = r.parser.Next(r.rest)
		r.part(&part)
	}
	if r.eof && !r.ended {
		r.decide()
		r.emit(r.parser.Pending())
		r.ended = true
	}
}

// due does what needs no response of the service: answers for aborted requests
// whose turn it is, and resets.
func (r *responses) due() {
	for !r.ended {
		if r.closing != nil {
			r.ended = r.closing.whole.Load()
			return
		}
		x := r.oldest()
		switch {
		case x == nil:
			return
		case x.resets():
			r.reset(x)
			return
		case !x.abort || !r.ready(x):
			return
		}
		x.closing = x.closing || r.eof || r.stale()
		r.emit(x.answer.bytes(x))
		x.took()
		r.done(x)
		if x.closing {
			r.closing = x
		}
	}
}

// ready reports whether the response's delay is over; it starts with the first
// call.
func (r *responses) ready(x *exchange) bool {
	if !x.delayed {
		x.delayed = true
		if x.responseDelay > 0 {
			r.until = time.Now().Add(x.responseDelay)
		}
	}
	return r.over()
}

// maxUnused is how long the service's end of a connection may be unused under requests
// that it does not see. Services close idle connections, many after 5 s and some after
// 2 s, and would end the client's with a request under way.
const maxUnused = time.Second

// stale reports whether the connection is to end with the answer that is due, as the
// service may close its end soon, and no other request waits for its turn.
func (r *responses) stale() bool { return time.Since(r.served) > r.unused && r.alone() }

// reset ends the connection as a broken one.
func (r *responses) reset(x *exchange) {
	x.count(x.cut.rule)
	r.ends.abort()
	r.ended = true
}

func (r *responses) part(part *httpstream.Part) {
	switch part.Kind {
	case httpstream.KindHead:
		r.head(part)
	case httpstream.KindBody:
		r.body(part.Data)
		if part.Last {
			r.whole()
		}
	case httpstream.KindFraming:
		if !r.swallow {
			r.emit(part.Data)
		}
		if part.Last {
			r.whole()
		}
	case httpstream.KindOpaque:
		r.passThrough()
		r.decide()
		r.emit(part.Data)
	case httpstream.KindNone:
	}
}

func (r *responses) head(part *httpstream.Part) {
	status := part.Head.Status()
	x := r.oldest()
	if r.parser.Opaque() {
		r.passThrough()
	}
	if x == nil || status < 200 && status != http.StatusSwitchingProtocols {
		r.emit(part.Head.Bytes()) // interim, or to nobody's request
		return
	}
	r.renew(x)
	for _, hook := range x.onResponse {
		hook(part.Head)
	}
	r.held, r.holds = *part, true
	r.begin()
}

// begin sends on the head of a response, when its delay is over.
func (r *responses) begin() {
	part, x := r.held, r.oldest()
	if !r.ready(x) {
		return
	}
	r.held, r.holds = httpstream.Part{}, false
	if x.cut.kind == resetAfterRequest {
		r.reset(x)
		return
	}
	r.current, r.bodySeen, r.swallow = x, 0, x.answer != nil
	switch {
	case r.swallow:
		x.closing = r.endsBehind(part.Head)
		r.emit(x.answer.bytes(x))
		x.took()
	case x.cut.inBody() && part.Length < 0:
		r.undecided = &undecided{head: part.Head, until: time.Now().Add(r.patience)}
	default:
		if x.cut.inBody() && part.Length > x.cut.after {
			x.mark(x.cut.rule, x.cut.mode)
		}
		r.sendOn(part.Head)
	}
	if part.Last {
		r.whole()
	}
}

// sendOn sends on the head of the current response. During a delay the service may have
// closed its end as idle, and a client that is not told would use the connection again.
func (r *responses) sendOn(head *httpstream.Head) {
	if r.eof && r.current.responseDelay > 0 && !r.parser.UntilClose() && !r.parser.Opaque() {
		head.Set("Connection", "close")
	}
	r.current.edit(head)
	r.emit(head.Bytes())
	r.current.took()
}
