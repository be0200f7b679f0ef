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
		{version[:], s[0:2]}, {t.TraceID[:], s[3:35]}, {t.SpanID[:], s[36:52]}, {flags[:], s[53:55]},
	} {
		if err := decodeLower(field.dst, field.text); err != nil {
			return Traceparent{}, fmt.Errorf("parsing traceparent %q: %w", value, err)
		}
	}
	t.Flags = flags[0]
	switch {
	case version[0] == 0xff:
		return Traceparent{}, fmt.Errorf("parsing traceparent %q: version ff is forbidden", value)
	case version[0] == 0 && len(s) != traceparentLen:
		return Traceparent{}, fmt.Errorf("parsing traceparent %q: version 00 has 55 characters, got %d",
			value, len(s))
	case len(s) > traceparentLen && s[traceparentLen] != '-':
		return Traceparent{}, fmt.Errorf("parsing traceparent %q: no dash behind the flags", value)
	case t.TraceID.IsZero() || t.SpanID.IsZero():
		return Traceparent{}, fmt.Errorf("parsing traceparent %q: an id is zero", value)
	}
	return t, nil
}

// FromHeaders reads the traceparent of a request: exactly one header value is
// accepted, as several of them mean that the trace has to be restarted.
func FromHeaders(values []string) (Traceparent, error) {
	if len(values) != 1 {
		return Traceparent{}, fmt.Errorf("parsing traceparent: want one header, got %d", len(values))
	}
	return ParseTraceparent(values[0])
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
