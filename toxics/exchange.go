package toxics

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// exchange is one request and its response on one connection. Until it is
// pushed it belongs to the request half, and then to the response half.
type exchange struct {
	link     *link
	method   string
	head     httpstream.Head // of the request
	bodyless bool            // the request
	closing  bool            // the connection ends after the answer
	chosen   bool            // by a toxic
	whole    atomic.Bool     // the request has come to its end

	requestDelay  time.Duration
	responseDelay time.Duration
	delayed       bool // the response's delay has begun

	editRequest  []func(*httpstream.Head)
	onResponse   []func(*httpstream.Head) // when the response's head is there
	editResponse []func(*httpstream.Head)

	answer *answer // in place of the response
	abort  bool    // the service must not see the request
	marks  []mark
	later  []*rule // counted as injected when the response goes out
	done   []*rule // counted as injected
	out    bool    // the head of the response has gone out, with the marks
	cut    cut
}

// cut says where a connection or a body ends early.
type cut struct {
	kind  cutKind
	after int64  // bytes of the response body that still pass
	mode  string // to mark the response with, if its body is long enough
	rule  *rule
}

type cutKind uint8

const (
	noCut cutKind = iota
	resetBefore
	resetAfterRequest
	resetInBody
	truncateBody
	corruptBody
)

// inBody reports whether the cut is one of the response's body.
func (c *cut) inBody() bool { return c.kind >= resetInBody }

// answer is a response that a toxic makes.
type answer struct {
	status  int
	headers map[string]string
	body    string
}

// count counts a rule's fault as injected, once, however many parts it has.
func (x *exchange) count(r *rule) {
	if !slices.Contains(x.done, r) {
		x.done = append(x.done, r)
		r.counts.add(eventInjected)
	}
}

// mark is what an X-Toxic header of the response says.
type mark struct {
	rule *rule
	mode string
}

// mark marks the response, once per rule. Of the parts of a script's fault the
// last one counts, unless one of them took the trace context.
func (x *exchange) mark(r *rule, mode string) {
	for i := range x.marks {
		if m := &x.marks[i]; m.rule == r {
			if !strings.HasPrefix(m.mode, "context") {
				m.mode = mode
			}
			return
		}
	}
	x.marks = append(x.marks, mark{r, mode})
}

// inject counts the fault as done and marks the response.
func (x *exchange) inject(r *rule, mode string) {
	x.count(r)
	x.mark(r, mode)
}

// injectLater marks the response and counts the fault when it goes out.
func (x *exchange) injectLater(r *rule, mode string) {
	x.later = append(x.later, r)
	x.mark(r, mode)
}

// took counts what takes place with the head of the response, and its marks.
func (x *exchange) took() {
	for _, r := range x.later {
		x.count(r)
	}
	x.later, x.out = nil, true
	for i := range x.marks {
		x.marks[i].rule.counts.add(eventMarked)
	}
}

// settle is called when nothing more comes of the exchange. It counts what makes
// marks and faults differ: the head announced a cut that the body did not reach, or
// a fault took place and no head went out that could say so.
func (x *exchange) settle() {
	for _, m := range x.marks {
		if x.out && !slices.Contains(x.done, m.rule) {
			m.rule.counts.add(eventUnreached)
		}
	}
	for _, r := range x.done {
		if !x.out {
			r.counts.add(eventUnmarked)
		}
	}
}

// resets reports whether the connection is to be reset now, before any of the
// response.
func (x *exchange) resets() bool {
	return x.cut.kind == resetBefore ||
		x.cut.kind == resetAfterRequest && !x.abort && x.whole.Load()
}

// sendOn changes the request's head as the toxics want it, if the service is to
// see it.
func (x *exchange) sendOn() {
	if x.abort || x.cut.kind == resetBefore {
		return
	}
	for _, edit := range x.editRequest {
		edit(&x.head)
	}
}

// edit changes the response's head as the toxics want it.
func (x *exchange) edit(h *httpstream.Head) {
	for _, edit := range x.editResponse {
		edit(h)
	}
	for _, m := range x.marks {
		h.Add("X-Toxic", m.rule.mark(m.mode))
	}
}
