package toxics

import (
	"net/http"
	"strings"

	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// responses is the state of a connection's response half. It is used by one
// goroutine at a time.
type responses struct {
	*link
	parser   *httpstream.Parser
	current  *exchange // whose response is under way
	swallow  bool      // the response is replaced
	bodySeen int64     // bytes of the current body so far
}

func newResponses(l *link) *responses {
	r := &responses{link: l}
	r.parser = httpstream.NewResponseParser(func() string {
		if x := l.front(); x != nil {
			return x.method
		}
		return ""
	})
	return r
}

// Pipe implements toxics.Toxic.
func (t *ResponseHalf) Pipe(stub *toxics.ToxicStub) {
	r, ok := stub.State.(*responses)
	if !ok {
		passThrough(stub)
		return
	}
	f := &flow{stub: stub}
	r.answers(f)
	for !f.interrupted {
		f.flush()
		if f.ended {
			stub.Close()
			return
		}
		select {
		case <-stub.Interrupt:
			return
		case <-r.wake:
			if r.reset.Load() {
				f.ended = true
				continue
			}
			r.answers(f)
		case chunk := <-stub.Input:
			if chunk == nil {
				r.current = nil
				r.answers(f)
				f.out = append(f.out, r.parser.Pending()...)
				f.ended = true
				continue
			}
			r.process(f, chunk.Data)
		}
	}
	f.flush()
	if f.ended {
		stub.Close()
	}
}

// Cleanup implements toxics.CleanupToxic.
func (t *ResponseHalf) Cleanup(stub *toxics.ToxicStub) {
	if r, ok := stub.State.(*responses); ok {
		flushPending(stub, r.parser.Pending())
	}
}

// answers writes the responses of aborted requests whose turn it is.
func (r *responses) answers(f *flow) {
	for r.current == nil && !f.ended {
		x := r.front()
		if x == nil || !x.abort {
			return
		}
		f.wait(x.responseDelay)
		expect, _ := x.head.Get("Expect")
		closing := strings.EqualFold(expect, "100-continue")
		f.out = append(f.out, x.answer.bytes(x, closing)...)
		x.done()
		r.pop()
		f.ended = closing
	}
}

// done counts what took place in the response half.
func (x *exchange) done() {
	for _, rule := range x.onInjected {
		rule.counts.injected.Add(1)
	}
	x.onInjected = nil
}

func (r *responses) process(f *flow, data []byte) {
	for len(data) > 0 && !f.ended {
		var part *httpstream.Part
		part, data = r.parser.Next(data)
		if part == nil {
			return
		}
		switch part.Kind {
		case httpstream.KindHead:
			r.head(f, part)
		case httpstream.KindBody:
			r.body(f, part.Data)
			if part.Last {
				r.end(f)
			}
		case httpstream.KindOpaque:
			f.out = append(f.out, part.Data...)
		}
	}
}

func (r *responses) head(f *flow, part *httpstream.Part) {
	status := part.Head.Status()
	x := r.front()
	if status == http.StatusSwitchingProtocols || r.parser.Opaque() {
		r.upgraded.Store(true)
	}
	if x == nil || status < 200 && status != http.StatusSwitchingProtocols {
		f.out = append(f.out, part.Head.Bytes()...) // interim, or to nobody's request
		return
	}
	r.current, r.bodySeen, r.swallow = x, 0, x.answer != nil
	f.wait(x.responseDelay)
	if r.swallow {
		f.out = append(f.out, x.answer.bytes(x, false)...)
	} else {
		x.edit(part.Head)
		f.out = append(f.out, part.Head.Bytes()...)
	}
	if part.Last {
		r.end(f)
	}
}

// edit changes a response's head as the toxics want it.
func (x *exchange) edit(h *httpstream.Head) {
	for _, edit := range x.editResponse {
		edit(h)
	}
	for _, mark := range x.marks {
		h.Add("X-Toxic", mark)
	}
}

// body passes on a piece of a body, up to where a toxic cuts it.
func (r *responses) body(f *flow, data []byte) {
	if r.swallow {
		return
	}
	x := r.current
	seen := r.bodySeen
	r.bodySeen += int64(len(data))
	if x == nil || x.cut.kind < resetInBody || r.bodySeen <= x.cut.after {
		f.out = append(f.out, data...)
		return
	}
	keep := max(0, x.cut.after-seen)
	f.out = append(f.out, data[:keep]...)
	if x.cut.rule != nil && seen <= x.cut.after {
		x.cut.rule.counts.injected.Add(1)
	}
	if x.cut.kind != corruptBody {
		f.ended = true
		return
	}
	for _, b := range data[keep:] {
		f.out = append(f.out, corrupt(b))
	}
}

// corrupt changes letters and digits and leaves framing and structure alone.
func corrupt(b byte) byte {
	switch {
	case b >= 'g' && b <= 'y', b >= 'G' && b <= 'Y':
		return b + 1
	case b == 'z', b == 'Z':
		return b - 1
	default:
		return b
	}
}

// end is called when a response is whole.
func (r *responses) end(f *flow) {
	if r.current == nil {
		return
	}
	r.current.done()
	r.current, r.swallow = nil, false
	r.pop()
	r.answers(f)
}
