package toxics

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
