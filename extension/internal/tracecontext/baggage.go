package tracecontext

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of the baggage header (https://www.w3.org/TR/baggage/#limits).
const (
	maxBaggageMembers = 64
	maxBaggageBytes   = 8192
)

// FormatBaggage encodes members as a baggage header, sorted by key. Keys must
// be RFC 7230 tokens; values are percent-encoded. The limits of the
// specification, 64 members and 8192 bytes, are errors when exceeded.
func FormatBaggage(members map[string]string) (string, error) {
	if len(members) > maxBaggageMembers {
		return "", fmt.Errorf("baggage must have at most %d members, got %d",
			maxBaggageMembers, len(members))
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if !isToken(key) {
			return "", fmt.Errorf("baggage key %q must be a token of letters, digits and !#$%%&'*+-.^_`|~", key)
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(key)
		b.WriteByte('=')
		escapeBaggage(&b, members[key])
	}
	if b.Len() > maxBaggageBytes {
		return "", fmt.Errorf("baggage must be at most %d bytes, got %d", maxBaggageBytes, b.Len())
	}
	return b.String(), nil
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// escapeBaggage percent-encodes all that is not a baggage-octet, and '%'.
func escapeBaggage(b *strings.Builder, value string) {
	const digits = "0123456789ABCDEF"
	for i := range len(value) {
		c := value[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`",;\%`, c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
			continue
		}
		b.WriteByte(c)
	}
}
