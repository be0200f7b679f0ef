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
			return "", fmt.Errorf("baggage keys must be tokens of letters, digits and "+
				"!#$%%&'*+-.^_`|~, got %q", key)
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

// MergeBaggage puts the members of add, a list that [FormatBaggage] made, behind
// the header values own. What own says stays byte for byte, properties included:
// a key that it holds is not added again. Members of add that would go beyond the
// limits are left out; dropped is their number.
func MergeBaggage(own []string, add string) (merged string, dropped int) {
	merged = strings.Join(own, ",")
	if add == "" {
		return merged, 0
	}
	var keys []string
	for member := range strings.SplitSeq(merged, ",") {
		if key := memberKey(member); key != "" {
			keys = append(keys, key)
		}
	}
	var b strings.Builder
	b.WriteString(merged)
	for member := range strings.SplitSeq(add, ",") {
		key := memberKey(member)
		switch {
		case slices.Contains(keys, key):
		case len(keys) >= maxBaggageMembers || b.Len()+1+len(member) > maxBaggageBytes:
			dropped++
		default:
			keys = append(keys, key)
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(member)
		}
	}
	return b.String(), dropped
}

// memberKey is the key of one list member; empty for an empty member.
func memberKey(member string) string {
	end := strings.IndexAny(member, "=;")
	if end < 0 {
		end = len(member)
	}
	return strings.Trim(member[:end], " \t")
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
