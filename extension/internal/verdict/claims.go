package verdict

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// claimed is the SERVER span of another trace that names the attempt: a root,
// if there is one.
func (f *family) claimed(a *span.Attempt) *span.Record {
	var best *span.Record
	for i := range f.trace.Claimed {
		r := &f.trace.Claimed[i]
		if r.Kind != span.KindServer || !r.Claims(a) {
			continue
		}
		if best == nil || before(r, best) {
			best = r
		}
	}
	return best
}

// before prefers a root.
func before(a, b *span.Record) bool {
	if a.ParentID.IsZero() != b.ParentID.IsZero() {
		return a.ParentID.IsZero()
	}
	return compare(a, b) < 0
}

// claimsHere is the SERVER span of this trace that claims the attempt from
// elsewhere than below it, or stands first in the chain of one that does.
func (f *family) claimsHere(a *span.Attempt) *span.Record {
	for _, r := range f.services {
		if r.Kind != span.KindServer || !r.Claims(a) {
			continue
		}
		first, via := f.top(r)
		switch {
		case via == maxDepth:
		case first.Kind == span.KindServer:
			return first
		case !f.isOrphan(first):
			return r
		default: // the chain breaks at a lost span, not at the attempt
		}
	}
	return nil
}

// server is any SERVER span that shows that a service handled the attempt.
func (f *family) server(a *span.Attempt) *span.Record {
	if found, _ := f.nearest(a, span.KindServer); found != nil {
		return found
	}
	if found := f.claimsHere(a); found != nil {
		return found
	}
	return f.claimed(a)
}
