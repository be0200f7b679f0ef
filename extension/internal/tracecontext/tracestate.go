package tracecontext

import (
	"fmt"
	"strings"
)

// Limits of the tracestate header (trace-context section 3.3).
const (
	maxTracestateMembers = 32
	maxStateKey          = 256
	maxStateValue        = 256
	maxTenant            = 241
	maxSystem            = 14
)

// ParseTracestate validates tracestate header values and joins them into one.
// An invalid or over-long list is an error, and then must not be sent on.
func ParseTracestate(values []string) (string, error) {
	var members []string
	seen := make(map[string]bool)
	for _, value := range values {
		for member := range strings.SplitSeq(value, ",") {
			member = strings.Trim(member, " \t")
			if member == "" {
				continue
			}
			key, state, ok := strings.Cut(member, "=")
			if !ok || !isStateKey(key) || !isStateValue(state) {
				return "", fmt.Errorf("parsing tracestate: %q is not a valid member", member)
			}
			if seen[key] {
				return "", fmt.Errorf("parsing tracestate: key %q appears twice", key)
			}
			seen[key] = true
			members = append(members, member)
		}
	}
	if len(members) > maxTracestateMembers {
		return "", fmt.Errorf("parsing tracestate: at most %d members, got %d",
			maxTracestateMembers, len(members))
	}
	return strings.Join(members, ","), nil
}

// isStateKey checks simple keys and multi-tenant keys `tenant@system`.
func isStateKey(key string) bool {
	tenant, system, multi := strings.Cut(key, "@")
	if !multi {
		return len(key) > 0 && len(key) <= maxStateKey && isLower(key[0]) && isKeyChars(key)
	}
	return len(tenant) > 0 && len(tenant) <= maxTenant &&
		(isLower(tenant[0]) || isDigit(tenant[0])) && isKeyChars(tenant) &&
		len(system) > 0 && len(system) <= maxSystem && isLower(system[0]) && isKeyChars(system)
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isKeyChars(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && !strings.ContainsRune("_-*/", rune(c)) {
			return false
		}
	}
	return true
}

func isStateValue(value string) bool {
	if value == "" || len(value) > maxStateValue || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c > 0x7e || c == ',' || c == '=' {
			return false
		}
	}
	return true
}
