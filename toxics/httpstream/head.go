package httpstream

import (
	"bytes"
	"strconv"
	"strings"
)

// Head is the start line and the header lines of one message, with the empty
// line at their end.
type Head struct {
	lines [][]byte // each with its line ending; the last is the empty line
}

func newHead(raw []byte) *Head {
	h := &Head{}
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n') + 1
		if end == 0 {
			end = len(raw)
		}
		h.lines = append(h.lines, raw[:end])
		raw = raw[end:]
	}
	return h
}

// Bytes returns the head as it goes on the wire.
func (h *Head) Bytes() []byte { return bytes.Join(h.lines, nil) }

// start returns the three parts of the start line.
func (h *Head) start() (a, b, c string) {
	line := strings.TrimRight(string(h.lines[0]), "\r\n")
	a, rest, _ := strings.Cut(line, " ")
	b, c, _ = strings.Cut(rest, " ")
	return a, b, c
}

// Method is the method of a request.
func (h *Head) Method() string {
	method, _, _ := h.start()
	return method
}

// Target is the request target, such as a path with its query.
func (h *Head) Target() string {
	_, target, _ := h.start()
	return target
}

// Status is the status code of a response; 0 when it is malformed.
func (h *Head) Status() int {
	_, status, _ := h.start()
	n, err := strconv.Atoi(status)
	if err != nil {
		return 0
	}
	return n
}

// Get returns the first value of a header, and whether there is one. Names are
// case-insensitive.
func (h *Head) Get(name string) (string, bool) {
	for _, line := range h.lines[1:] {
		if value, ok := field(line, name); ok {
			return value, true
		}
	}
	return "", false
}

// Values returns all values of a header.
func (h *Head) Values(name string) []string {
	var out []string
	for _, line := range h.lines[1:] {
		if value, ok := field(line, name); ok {
			out = append(out, value)
		}
	}
	return out
}

// has reports whether a comma-separated header contains a token.
func (h *Head) has(name, token string) bool {
	for _, value := range h.Values(name) {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

func field(line []byte, name string) (string, bool) {
	colon := bytes.IndexByte(line, ':')
	if colon != len(name) || !strings.EqualFold(string(line[:colon]), name) {
		return "", false
	}
	return string(bytes.TrimSpace(line[colon+1:])), true
}

// Remove takes out all lines of a header and reports whether there was one.
func (h *Head) Remove(name string) bool {
	kept := h.lines[:1:1]
	for _, line := range h.lines[1:] {
		if _, ok := field(line, name); !ok {
			kept = append(kept, line)
		}
	}
	removed := len(kept) < len(h.lines)
	h.lines = kept
	return removed
}

// Add puts a header line at the end of the head. The name and value must not
// contain line breaks.
func (h *Head) Add(name, value string) {
	last := len(h.lines) - 1
	empty := h.lines[last]
	h.lines = append(h.lines[:last:last], []byte(name+": "+value+"\r\n"), empty)
}

// Set replaces all lines of a header with one.
func (h *Head) Set(name, value string) {
	h.Remove(name)
	h.Add(name, value)
}
