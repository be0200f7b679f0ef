package otlp

import (
	"bytes"
	"encoding/hex"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// The form of a correlation token: continuity/<32 hex>-<16 hex>.
const (
	claimToken = "continuity/"
	claimTrace = len(claimToken)
	claimDash  = claimTrace + 2*len(tracecontext.TraceID{})
	claimSpan  = claimDash + 1
	claimEnd   = claimSpan + 2*len(tracecontext.SpanID{})
)

// findClaim is [tracecontext.FindCorrelation] without its allocations, for it
// runs once for every SERVER span. A fuzz test holds the two together.
func findClaim(agent []byte) tracecontext.Correlation {
	if n := len(agent) - claimEnd; n >= 0 && string(agent[n:n+claimTrace]) == claimToken {
		if c, ok := parseClaim(agent[n:]); ok {
			return c // at the end, where the load puts it
		}
	}
	for end := len(agent); end >= claimEnd; {
		i := bytes.LastIndex(agent[:end], []byte(claimToken))
		if i < 0 {
			break
		}
		if c, ok := parseClaim(agent[i:]); ok {
			return c
		}
		end = i
	}
	return tracecontext.Correlation{}
}

func parseClaim(b []byte) (c tracecontext.Correlation, ok bool) {
	if len(b) < claimEnd || b[claimDash] != '-' {
		return c, false
	}
	if _, err := hex.Decode(c.TraceID[:], b[claimTrace:claimDash]); err != nil {
		return c, false
	}
	if _, err := hex.Decode(c.SpanID[:], b[claimSpan:claimEnd]); err != nil {
		return c, false
	}
	return c, !c.TraceID.IsZero() && !c.SpanID.IsZero()
}
