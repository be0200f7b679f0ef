package toxics

import (
	"strings"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// endsBehind reports whether the connection cannot go on behind a replaced response: the
// service ends it or has ended it, goes on with another protocol, or with a stream of
// events that may have no end.
func (r *responses) endsBehind(head *httpstream.Head) bool {
	kind, _ := head.Get("Content-Type")
	return !head.KeepsAlive() || r.parser.UntilClose() || r.parser.Opaque() || r.eof ||
		strings.HasPrefix(strings.ToLower(kind), "text/event-stream")
}

// body passes on a piece of a body's content, up to where a toxic cuts it.
func (r *responses) body(data []byte) {
	if r.swallow {
		return
	}
	x := r.current
	seen := r.bodySeen
	r.bodySeen += int64(len(data))
	if x == nil || !x.cut.inBody() || r.bodySeen <= x.cut.after {
		r.emit(data)
		return
	}
	r.announce()
	keep := max(0, x.cut.after-seen)
	r.emit(data[:keep])
	switch x.cut.kind {
	case resetInBody:
		r.reset(x)
		return
	case corruptBody:
		r.emit(corrupted(data[keep:]))
	default:
		r.ended = true
	}
	x.count(x.cut.rule)
}

// corrupted changes every byte.
func corrupted(data []byte) []byte {
	out := make([]byte, len(data))
	for i, b := range data {
		out[i] = b ^ 1
	}
	return out
}

// whole is called when a response is whole.
func (r *responses) whole() {
	x := r.current
	if x == nil {
		return
	}
	r.decide()
	if r.swallow && x.closing {
		r.ended = true
	}
	r.current, r.swallow = nil, false
	r.done(x)
}
