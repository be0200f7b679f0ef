// Package tracecontext holds the identifiers and header formats of W3C Trace
// Context and W3C Baggage, and the correlation suffix by which a request names
// its own attempt. It parses and formats; it performs no I/O.
//
// Sources: https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/.
package tracecontext

import (
	"encoding/hex"
	"fmt"
)

// TraceID is a W3C trace-id: 16 bytes, all zero is invalid.
type TraceID [16]byte

// SpanID is a W3C parent-id: 8 bytes, all zero is invalid.
type SpanID [8]byte

// IsZero reports whether the id is the invalid all-zero id.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// IsZero reports whether the id is the invalid all-zero id.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// String returns 32 lower-case hexadecimal digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// String returns 16 lower-case hexadecimal digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// MarshalText encodes the id as lower-case hexadecimal digits.
func (t TraceID) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalText encodes the id as lower-case hexadecimal digits.
func (s SpanID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText parses 32 hexadecimal digits of either case.
func (t *TraceID) UnmarshalText(text []byte) error { return decodeID(t[:], text, "trace id") }

// UnmarshalText parses 16 hexadecimal digits of either case.
func (s *SpanID) UnmarshalText(text []byte) error { return decodeID(s[:], text, "span id") }

func decodeID(dst, text []byte, what string) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("parsing %s %q: want %d hexadecimal digits, got %d",
			what, text, 2*len(dst), len(text))
	}
	if _, err := hex.Decode(dst, text); err != nil {
		return fmt.Errorf("parsing %s %q: %w", what, text, err)
	}
	return nil
}
