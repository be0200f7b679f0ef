package traced

import (
	"net/http"
	"time"
)

// Excluded reports whether the operation is outside tracing, so far.
func (op *Operation) Excluded() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.excluded
}

// Transport returns the transport for one attempt, numbered from 1. Every
// round trip through it is a CLIENT span of its own. The backoff is what the
// retry policy waited before this attempt.
func (op *Operation) Transport(
	base http.RoundTripper, attempt int, backoff time.Duration,
) http.RoundTripper {
	return &transport{op: op, base: base, attempt: attempt, backoff: backoff}
}

// traces reports whether a round trip is traced. The operation of a request that is
// outside tracing begins with the first hop of a redirect that is not.
func (op *Operation) traces(req *http.Request) bool {
	if len(op.client.excluded) == 0 {
		return true
	}
	if op.client.excludesRequest(req) {
		return false
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	if !op.excluded {
		return true
	}
	if op.ended || req.Response == nil { // not a hop
		return false
	}
	op.excluded = false
	op.config.Method, op.config.URL, op.config.Template = req.Method, req.URL.String(), ""
	op.start()
	return true
}
