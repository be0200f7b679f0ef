package tracecontext

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Flags of the traceparent header (trace-context section 3.2.2.5).
const (
	FlagSampled byte = 0x01
	FlagRandom  byte = 0x02
)

// Traceparent is the parsed traceparent header.
type Traceparent struct {
	TraceID TraceID
	SpanID  SpanID // the header's parent-id
	Flags   byte
}

// traceparentLen is the length of version 00.
const traceparentLen = 55

// String formats the header in version 00.
func (t Traceparent) String() string {
	b := make([]byte, traceparentLen)
	copy(b, "00-")
	hex.Encode(b[3:], t.TraceID[:])
	b[35] = '-'
	hex.Encode(b[36:], t.SpanID[:])
	b[52] = '-'
	hex.Encode(b[53:], []byte{t.Flags})
	return string(b)
}

// Sampled reports whether the sampled flag is set.
func (t Traceparent) Sampled() bool { return t.Flags&FlagSampled != 0 }

// Random reports whether the trace id is random, by level 2 of the specification
// (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag).
func (t Traceparent) Random() bool { return t.Flags&FlagRandom != 0 }

// ParseTraceparent parses one traceparent value. Versions after 00 may carry
// more fields behind a dash; version ff, upper case and zero ids are errors
// (https://www.w3.org/TR/trace-context/#traceparent-header).
func ParseTraceparent(value string) (Traceparent, error) {
	var t Traceparent
	s := strings.Trim(value, " \t")
	if len(s) < traceparentLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return t, fmt.Errorf("parsing traceparent %q: want version-traceid-parentid-flags", value)
	}
	var version, flags [1]byte
	for _, field := range []struct {
		dst  []byte
		text string
	}{
		{version[:], s[0:2]},
		{t.TraceID[:], s[3:35]},
		{t.SpanID[:], s[36:52]},
		{flags[:], s[53:55]},
	} {
		if err := decodeLower(field.dst, field.text); err != nil {
			return Traceparent{}, fmt.Errorf("parsing traceparent %q: %w", value, err)
		}
	}
	t.Flags = flags[0]
	if reason := t.reject(version[0], s[traceparentLen:]); reason != "" {
		return Traceparent{}, fmt.Errorf("parsing traceparent %q: %s", value, reason)
	}
	return t, nil
}

// reject says why the header must not be used, given its version and what
// stands behind the flags; empty if it may.
func (t Traceparent) reject(version byte, rest string) string {
	switch {
	case version == 0xff:
		return "version ff is forbidden"
	case version == 0 && rest != "":
		return "version 00 ends behind the flags"
	case rest != "" && rest[0] != '-':
		return "no dash behind the flags"
	case t.TraceID.IsZero() || t.SpanID.IsZero():
		return "an id is zero"
	default:
		return ""
	}
}

// Extract reads a request's context from the values of its traceparent and
// tracestate headers (section 4 of https://www.w3.org/TR/trace-context/).
// Anything but one valid traceparent means that the trace is restarted: the
// parent is zero, and the tracestate is not looked at. An invalid tracestate
// leaves the parent as it is and the state empty. The error tells of either.
func Extract(traceparents, tracestates []string) (parent Traceparent, state string, err error) {
	switch len(traceparents) {
	case 0:
		return parent, "", nil
	case 1:
	default:
		return parent, "", fmt.Errorf("parsing traceparent: one header is allowed, got %d",
			len(traceparents))
	}
	if parent, err = ParseTraceparent(traceparents[0]); err != nil {
		return parent, "", err
	}
	state, err = ParseTracestate(tracestates)
	return parent, state, err
}

func decodeLower(dst []byte, text string) error {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%q is not lower-case hexadecimal", text)
		}
	}
	_, err := hex.Decode(dst, []byte(text))
	return err
}
