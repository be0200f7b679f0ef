package toxics

import "strings"

// idLength is the shortest run of hexadecimal digits that is taken for an id. The
// headers that carry a context have ids of 16 digits or more and shorter fields
// beside them: versions, flags, times.
const idLength = 16

// traceparentLength is that of version 00: 2, 32, 16 and 2 digits
// (https://www.w3.org/TR/trace-context/#traceparent-header).
const traceparentLength = 55

// mangle changes a header's value and keeps its length. Of a traceparent,
//
//	ids      changes the trace id and the parent id. The value stays valid and
//	         sampled: a service goes on with a trace that nobody else knows.
//	parent   changes the parent id: the service's span hangs in the right trace
//	         below a span that does not exist
//	flags    turns the sampled flag over: a service that obeys it records nothing,
//	         or something that nobody expects
//	invalid  makes it malformed: the service starts a trace of its own
//
// Ids and invalid do the same to any header that has ids. In a value without one,
// every hexadecimal digit counts.
func mangle(value, as string) string {
	switch as {
	case "parent":
		if len(value) < traceparentLength {
			return value
		}
		return value[:36] + change(value[36:52]) + value[52:]
	case "flags":
		if len(value) < traceparentLength {
			return value
		}
		return value[:54] + string(hexDigit(hexValue(value[54])^1)) + value[55:]
	case "invalid":
		return eachID(value, func(id string) string { return "x" + id[1:] })
	default:
		return eachID(value, change)
	}
}

// eachID edits the ids in a value; without one, its digits.
func eachID(value string, edit func(string) string) string {
	var out strings.Builder
	found := false
	for rest := value; rest != ""; {
		n := 0
		for n < len(rest) && isHex(rest[n]) {
			n++
		}
		switch {
		case n >= idLength:
			found = true
			out.WriteString(edit(rest[:n]))
		case n == 0:
			n = 1
			fallthrough
		default:
			out.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	if found {
		return out.String()
	}
	out.Reset()
	for i := range len(value) {
		if one := value[i : i+1]; isHex(value[i]) {
			out.WriteString(edit(one))
		} else {
			out.WriteString(one)
		}
	}
	return out.String()
}

// change replaces hexadecimal digits but 0 by others, so that an id keeps its
// form, does not become zero, and names something else.
func change(digits string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '0':
			return r
		case '9':
			return '1'
		case 'f', 'F':
			return r - 5
		default:
			return r + 1
		}
	}, digits)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	default:
		return (c | 0x20 - 'a') + 10
	}
}

func hexDigit(n byte) byte { return "0123456789abcdef"[n&15] }
