package verdict

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// descended: a SERVER span descends from the attempt's client span, directly
// or through a proxy's spans. More than one is a duplicate, which is explained
// when the transport wrote the request as often, or when a proxy's own CLIENT
// spans show that the proxy did.
func descended(f *family, a *span.Attempt, r *Result) bool {
	direct := f.servers(a)
	switch {
	case len(direct) > 1:
		r.Verdict, r.Server = Duplicated, direct[0]
		r.Explained = len(direct) <= int(a.Sends)
		r.Reason = "more than one SERVER span below the attempt"
		return true
	case len(direct) == 1:
		r.Verdict, r.Server = Continued, direct[0]
		return true
	}
	r.Server, r.Via = f.nearest(a, span.KindServer)
	switch {
	case r.Server == nil:
		return false
	case f.resent(a, r.Server):
		r.Verdict, r.Explained = Duplicated, true
		r.Reason = "a proxy sent the request more than once"
	default:
		r.Verdict = Continued
	}
	return true
}

// resent reports whether a proxy without a SERVER span of its own sent the
// attempt on more than once: several of its CLIENT spans below the attempt lead
// to SERVER spans of the same kind.
func (f *family) resent(a *span.Attempt, server *span.Record) bool {
	n := 0
	for _, r := range f.services {
		parent := f.byID[r.ParentID]
		if r.Kind != span.KindServer || parent == nil || parent.Kind != span.KindClient ||
			parent.ParentID != a.SpanID {
			continue
		}
		if *r.Descriptor == *server.Descriptor {
			n++
		}
	}
	return n > 1
}

// consumed: the attempt's context reached a CONSUMER span, and no SERVER span
// came. The service handed the context on without a SERVER span of its own.
func consumed(f *family, a *span.Attempt, r *Result) bool {
	server, via := f.nearest(a, span.KindConsumer)
	if server == nil {
		return false
	}
	r.Verdict, r.Server, r.Via = Continued, server, via
	r.Reason = "a CONSUMER span descends from the attempt, no SERVER span"
	return true
}
