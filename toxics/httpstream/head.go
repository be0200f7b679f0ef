package httpstream

import (
	"bytes"
	"iter"
	"strings"
)

// Head is the start line and the header lines of one message, with the empty
// line at their end.
type Head struct {
	raw    []byte // as it goes on the wire; not written to, nor behind its end
	fields int    // where the header lines begin
}

func newHead(raw []byte) Head {
	return Head{raw: raw, fields: bytes.IndexByte(raw, '\n') + 1}
}

// Bytes returns the head as it goes on the wire. The caller must not change it nor
// append to it: of a head that was not edited, what follows on the wire may lie behind.
func (h *Head) Bytes() []byte { return h.raw }

// start returns the three parts of the start line.
func (h *Head) start() (a, b, c []byte) {
	a, rest := cutSpace(trimEnd(h.raw[:h.fields]))
	b, c = cutSpace(rest)
	return a, b, c
}

// cutSpace returns what is before the first space and what is behind it.
func cutSpace(b []byte) (before, after []byte) {
	before, after, _ = bytes.Cut(b, []byte(" "))
	return before, after
}

// trimEnd returns a line without its ending.
func trimEnd(line []byte) []byte {
	n := len(line)
	for n > 0 && (line[n-1] == '\n' || line[n-1] == '\r') {
		n--
	}
	return line[:n]
}

// Method is the method of a request.
func (h *Head) Method() string {
	method, _ := cutSpace(trimEnd(h.raw[:h.fields]))
	switch string(method) { // without an allocation for most
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "HEAD":
		return "HEAD"
	default:
		return string(method)
	}
}

// Target is the request target, such as a path with its query.
func (h *Head) Target() string {
	_, target, _ := h.start()
	return string(target)
}

// Status is the status code of a response; 0 when it is malformed.
func (h *Head) Status() int {
	_, status, _ := h.start()
	if len(status) != 3 {
		return 0
	}
	n := 0
	for _, c := range status {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// KeepsAlive reports whether the sender of the head wants the connection to go
// on after the message (RFC 9112 section 9.3).
func (h *Head) KeepsAlive() bool {
	if h.Has("Connection", "close") {
		return false
	}
	return !h.Old() || h.Has("Connection", "keep-alive")
}

// Old reports whether the message is one of HTTP/1.0.
func (h *Head) Old() bool {
	first := trimEnd(h.raw[:h.fields])
	return bytes.HasPrefix(first, []byte("HTTP/1.0")) || bytes.HasSuffix(first, []byte(" HTTP/1.0"))
}

// lines iterates over the header lines, each with the lines that continue it
// and with its ending.
func (h *Head) lines() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := h.raw[h.fields:]; len(rest) > 0; {
			var line []byte
			line, rest = cutField(rest)
			if colon := bytes.IndexByte(line, ':'); colon >= 0 && !yield(line) {
				return
			}
		}
	}
}

// cutField returns the first header line of a head and the rest. A line that
// begins with white space continues the one before (RFC 9112 section 5.2).
func cutField(b []byte) (line, rest []byte) {
	end := 0
	for {
		next := bytes.IndexByte(b[end:], '\n') + 1
		if next == 0 {
			return b, nil
		}
		end += next
		if end == len(b) || b[end] != ' ' && b[end] != '\t' {
			return b[:end], b[end:]
		}
	}
}

// Get returns the first value of a header, and whether there is one. Names are
// case-insensitive.
func (h *Head) Get(name string) (string, bool) {
	for line := range h.lines() {
		if value, ok := field(line, name); ok {
			return string(value), true
		}
	}
	return "", false
}

// Values returns all values of a header.
func (h *Head) Values(name string) []string {
	var out []string
	for line := range h.lines() {
		if value, ok := field(line, name); ok {
			out = append(out, string(value))
		}
	}
	return out
}

// Names returns the names of all header lines, in lower case and in their
// order.
func (h *Head) Names() []string {
	var out []string
	for line := range h.lines() {
		out = append(out, strings.ToLower(string(line[:bytes.IndexByte(line, ':')])))
	}
	return out
}

// Has reports whether a comma-separated header contains a token.
func (h *Head) Has(name, token string) bool {
	for line := range h.lines() {
		value, ok := field(line, name)
		if !ok {
			continue
		}
		for item := range bytes.SplitSeq(value, []byte(",")) {
			if strings.EqualFold(string(trimSpace(item)), token) {
				return true
			}
		}
	}
	return false
}

// field returns the value of a header line of that name.
func field(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' ||
		!strings.EqualFold(string(line[:len(name)]), name) {
		return nil, false
	}
	return trimSpace(line[len(name)+1:]), true
}

// trimSpace returns a value without the white space around it: spaces, tabs and line
// endings, and nothing else that others may take for a part of the value (RFC 9110
// section 5.6.3).
func trimSpace(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

// Remove takes out all lines of a header and reports whether there was one.
func (h *Head) Remove(name string) bool {
	kept := make([]byte, 0, len(h.raw))
	kept = append(kept, h.raw[:h.fields]...)
	for rest := h.raw[h.fields:]; len(rest) > 0; {
		var line []byte
		line, rest = cutField(rest)
		if _, ok := field(line, name); !ok {
			kept = append(kept, line...)
		}
	}
	if len(kept) == len(h.raw) {
		return false
	}
	h.raw = kept
	return true
}

// Add puts a header line at the end of the head. The name and value must not
// contain line breaks.
func (h *Head) Add(name, value string) {
	end := len(h.raw) - 1 // of the header lines: the empty line follows
	if end > 0 && h.raw[end-1] == '\r' {
		end--
	}
	raw := make([]byte, 0, len(h.raw)+len(name)+len(value)+4)
	raw = append(raw, h.raw[:end]...)
	raw = append(raw, name+": "+value+"\r\n"...)
	h.raw = append(raw, h.raw[end:]...)
}

// Set replaces all lines of a header with one.
func (h *Head) Set(name, value string) {
	h.Remove(name)
	h.Add(name, value)
}
