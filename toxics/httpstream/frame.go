package httpstream

import (
	"bytes"
	"math"
	"net/http"
	"strings"
)

// framing is what the header lines say about a body.
type framing struct {
	length   int64 // -1: not given
	coded    bool  // there is a Transfer-Encoding
	chunked  bool  // and its last coding is chunked
	doubtful bool  // others may read the lines differently
}

// readFraming scans the header lines once. It is called for every message.
func readFraming(h *Head) framing {
	f := framing{length: -1}
	for rest := h.raw[h.fields:]; len(rest) > 0; {
		var line []byte
		line, rest = cutField(rest)
		if len(rest) == 0 && len(line) <= 2 {
			break // the end of the head: there is nothing but a line's ending
		}
		colon := nameLength(line)
		if colon <= 0 {
			f.doubtful = true
			return f
		}
		switch colon {
		case len("Content-Length"):
			if value, ok := field(line, "Content-Length"); ok {
				n, valid := parseLength(value)
				f.doubtful = f.doubtful || !valid || f.length >= 0 && f.length != n
				f.length = n
			}
		case len("Transfer-Encoding"):
			if value, ok := field(line, "Transfer-Encoding"); ok {
				last := value[bytes.LastIndexByte(value, ',')+1:]
				f.coded = true
				f.chunked = strings.EqualFold(string(trimSpace(last)), "chunked")
				f.doubtful = f.doubtful || bytes.IndexByte(value, '\n') >= 0
			}
		}
	}
	return f
}

// nameLength is where the colon behind the name of a header line is; 0 or less if it
// has none, or a name with other characters than visible ones.
func nameLength(line []byte) int {
	for i, c := range line {
		switch {
		case c == ':':
			return i
		case c <= ' ' || c >= 0x7f:
			return -1
		}
	}
	return -1
}

func parseLength(value []byte) (int64, bool) {
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(value) > 0
}

// parseChunkSize reads a chunk-size line without its ending (RFC 9112 section
// 7.1); extensions are passed on and not read.
func parseChunkSize(line []byte) (int64, bool) {
	size, _, _ := bytes.Cut(line, []byte(";"))
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range size {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int64(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int64(c-'A'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// frame decides how the body is delimited (RFC 9112 section 6.3). It returns
// whether there is none, and false for a framing that cannot be followed.
func (p *Parser) frame(h *Head) (last, ok bool) {
	f := readFraming(h)
	if f.doubtful {
		return false, false
	}
	if p.response {
		switch status := h.Status(); {
		case status < 100:
			return false, false
		case p.bodyless(status):
			return true, true
		}
	}
	switch {
	case f.chunked:
		p.state = inChunkSize
	case f.coded && !p.response:
		return false, false
	case p.response && (f.coded || f.length < 0):
		p.state = untilClose
	case f.length <= 0:
		return true, true
	default:
		p.state, p.left = inLength, f.length
	}
	return false, true
}

// bodyless reports whether a response has no body by its status or by the
// method that it answers. A connection that changes its protocol turns opaque.
func (p *Parser) bodyless(status int) bool {
	if status == http.StatusSwitchingProtocols {
		p.state = opaque
		return true
	}
	if status < 200 || status == http.StatusNoContent || status == http.StatusNotModified {
		return true
	}
	method := p.method()
	if method == http.MethodConnect && status < 300 {
		p.state = opaque
		return true
	}
	return method == http.MethodHead
}

// plausible reports whether b can begin an HTTP/1.x message. When it cannot,
// nothing that follows b makes it one.
func (p *Parser) plausible(b []byte) bool {
	if p.response {
		const prefix = "HTTP/1."
		n := min(len(b), len(prefix))
		return string(b[:n]) == prefix[:n]
	}
	if bytes.HasPrefix(b, []byte("PRI ")) {
		return false // HTTP/2 with prior knowledge
	}
	line, end := b, bytes.IndexByte(b, '\n')
	if end >= 0 {
		line = b[:end]
	}
	method, space := line, bytes.IndexByte(line, ' ')
	spaced := space >= 0
	if spaced {
		method = line[:space]
	}
	if end >= 0 {
		line = bytes.TrimSuffix(line, []byte("\r"))
		version := len(line) - len(" HTTP/1.1")
		if !spaced || version <= len(method) ||
			string(line[version:len(line)-1]) != " HTTP/1." {
			return false
		}
	}
	return len(method) <= maxMethod && (len(method) > 0 || !spaced) && isMethod(method)
}

// maxMethod bounds how much of a first line without a space is held back.
const maxMethod = 32

// isMethod reports whether b may be (the beginning of) a method. Methods are
// tokens (RFC 9110 section 5.6.2).
func isMethod(b []byte) bool {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			continue // as all that are common
		}
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}
