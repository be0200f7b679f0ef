package toxics

import (
	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// requests is the state of a connection's request half. It is used by one
// goroutine at a time.
type requests struct {
	*link
	parser   *httpstream.Parser
	dropping bool // the rest of an aborted request's body
	current  *exchange
}

func newRequests(l *link) *requests {
	return &requests{link: l, parser: httpstream.NewRequestParser()}
}

// Pipe implements toxics.Toxic.
func (t *RequestHalf) Pipe(stub *toxics.ToxicStub) {
	r, ok := stub.State.(*requests)
	if !ok {
		passThrough(stub)
		return
	}
	select {
	case <-r.paired:
	case <-stub.Interrupt:
		return
	}
	f := &flow{stub: stub}
	for !f.interrupted {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				f.out = r.parser.Pending()
				f.flush()
				stub.Close()
				return
			}
			r.process(f, chunk.Data)
			f.flush()
			if f.ended {
				stub.Close()
				return
			}
		}
	}
}

// Cleanup implements toxics.CleanupToxic.
func (t *RequestHalf) Cleanup(stub *toxics.ToxicStub) {
	if r, ok := stub.State.(*requests); ok {
		flushPending(stub, r.parser.Pending())
	}
}

func (r *requests) process(f *flow, data []byte) {
	for len(data) > 0 && !f.ended {
		wasOpaque := r.parser.Opaque()
		if !wasOpaque && r.upgraded.Load() && r.parser.Boundary() {
			r.parser.SetOpaque()
		}
		var part *httpstream.Part
		part, data = r.parser.Next(data)
		if part == nil {
			return
		}
		switch part.Kind {
		case httpstream.KindHead:
			r.head(f, part)
		case httpstream.KindBody:
			if !r.dropping {
				f.out = append(f.out, part.Data...)
			}
			if part.Last {
				r.end(f)
			}
		case httpstream.KindOpaque:
			if !wasOpaque {
				r.hub.opaque.Add(1)
			}
			f.out = append(f.out, part.Data...)
		}
	}
}

func (r *requests) head(f *flow, part *httpstream.Part) {
	x := r.hub.exchange(part.Head)
	f.wait(x.requestDelay)
	if x.cut.kind == resetBefore {
		r.endConnection(f, x)
		return
	}
	r.current = x
	r.dropping = x.abort
	if !x.abort {
		f.out = append(f.out, part.Head.Bytes()...)
	}
	r.push(x)
	if part.Last {
		r.end(f)
	}
}

// end is called when a request is whole.
func (r *requests) end(f *flow) {
	r.dropping = false
	if x := r.current; x != nil && x.cut.kind == resetAfterRequest {
		f.flush()
		r.endConnection(f, x)
	}
	r.current = nil
}

// endConnection closes both directions.
func (r *requests) endConnection(f *flow, x *exchange) {
	x.cut.rule.counts.injected.Add(1)
	r.reset.Store(true)
	r.notify()
	f.ended = true
}
