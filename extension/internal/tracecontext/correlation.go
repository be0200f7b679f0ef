package tracecontext

import (
	"encoding/hex"
	"strings"
)

// CorrelationToken starts the product token that carries an attempt's ids. Behind
// it stand the ids as a traceparent has them: `<trace id>-<span id>`.
const CorrelationToken = "continuity/"

// correlationLen is the length of `continuity/<32 hex>-<16 hex>`.
const correlationLen = len(CorrelationToken) + 32 + 1 + 16

// Correlation names one attempt: the ids of its client span. A service that
// loses the context and starts a new trace still reports the User-Agent it was
// sent, and with it these ids.
type Correlation struct {
	TraceID TraceID
	SpanID  SpanID
}

// IsZero reports whether the correlation names no attempt.
func (c Correlation) IsZero() bool { return c == Correlation{} }

// String returns the User-Agent product token `continuity/<trace id>-<span id>`.
func (c Correlation) String() string { return c.Append("") }

// Append returns agent with the token behind it.
func (c Correlation) Append(agent string) string {
	var room [128]byte // enough for the usual agent
	b := append(append(room[:0], agent...), CorrelationToken...)
	b = hex.AppendEncode(b, c.TraceID[:])
	b = append(b, '-')
	return string(hex.AppendEncode(b, c.SpanID[:]))
}

// FindCorrelation returns the last well-formed correlation token in a
// User-Agent value, and whether there was one with two valid ids.
func FindCorrelation[T string | []byte](userAgent T) (Correlation, bool) {
	s := string(userAgent)
	for end := len(s); end >= correlationLen; {
		i := strings.LastIndex(s[:end], CorrelationToken)
		if i < 0 {
			return Correlation{}, false
		}
		if c, ok := parseCorrelation(s[i:]); ok {
			return c, true
		}
		end = i
	}
	return Correlation{}, false
}

func parseCorrelation(s string) (Correlation, bool) {
	var c Correlation
	if len(s) < correlationLen || s[len(CorrelationToken)+32] != '-' {
		return c, false
	}
	ids := s[len(CorrelationToken):correlationLen]
	if c.TraceID.UnmarshalText([]byte(ids[:32])) != nil ||
		c.SpanID.UnmarshalText([]byte(ids[33:])) != nil ||
		c.TraceID.IsZero() || c.SpanID.IsZero() {
		return Correlation{}, false
	}
	return c, true
}
