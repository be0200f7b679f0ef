package httpstream

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// MaxHead bounds a message head; a longer one makes the stream opaque.
const MaxHead = 1 << 20

// Kind says what a [Part] is.
type Kind uint8

const (
	// KindHead is a whole message head; Part.Head is set.
	KindHead Kind = iota
	// KindBody is a piece of a body with its framing, in Part.Data.
	KindBody
	// KindOpaque is a piece of a stream that is not HTTP/1.1, in Part.Data.
	KindOpaque
)

// Part is a piece of the stream. Last says that the message ends with it.
type Part struct {
	Kind Kind
	Head *Head
	Data []byte
	Last bool
}

type state uint8

const (
	inHead state = iota
	inLength
	inChunkSize
	inChunkData
	inChunkEnd
	inTrailer
	untilClose
	opaque
)

// Parser splits one direction of one connection. The zero value is ready for
// requests; see [NewResponseParser] for responses.
type Parser struct {
	response bool
	state    state
	buffer   []byte // of an incomplete head
	left     int64  // bytes left of a body or chunk
	line     []byte // of an incomplete chunk size or trailer line
	method   func() string
}

// NewRequestParser returns a parser of requests.
func NewRequestParser() *Parser { return &Parser{} }

// NewResponseParser returns a parser of responses. Method is asked, at each
// final response head, for the method of the request that it answers; an empty
// method stands for one that is not known.
func NewResponseParser(
	method func() string,
) *Parser {
	return &Parser{response: true, method: method}
}

// Opaque reports whether the stream is not, or no longer, HTTP/1.1.
func (p *Parser) Opaque() bool { return p.state == opaque }

// Boundary reports whether the parser stands between two messages.
func (p *Parser) Boundary() bool { return p.state == inHead && len(p.buffer) == 0 }

// SetOpaque makes the parser return all that follows as it comes.
func (p *Parser) SetOpaque() { p.state = opaque }

// Pending returns the bytes of an incomplete head and forgets them: what has
// to be passed on when nobody parses any longer.
func (p *Parser) Pending() []byte {
	out := p.buffer
	p.buffer = nil
	return out
}

// Next consumes a prefix of data and returns the part that it completes and
// the rest of data. Without a part all of data was consumed.
func (p *Parser) Next(data []byte) (part *Part, rest []byte) {
	if len(data) == 0 {
		return nil, nil
	}
	switch p.state {
	case inHead:
		return p.head(data)
	case inLength:
		return p.length(data)
	case untilClose:
		return &Part{Kind: KindBody, Data: data}, nil
	case opaque:
		return &Part{Kind: KindOpaque, Data: data}, nil
	default:
		return p.chunked(data)
	}
}

// head collects a message head.
func (p *Parser) head(data []byte) (*Part, []byte) {
	before := len(p.buffer)
	p.buffer = append(p.buffer, data...)
	if !p.plausible() {
		return p.giveUp(), nil
	}
	end := headEnd(p.buffer, before)
	if end < 0 {
		if len(p.buffer) > MaxHead {
			return p.giveUp(), nil
		}
		return nil, nil
	}
	raw := bytes.Clone(p.buffer[:end])
	rest := data[end-before:]
	p.buffer = p.buffer[:0]
	head := newHead(raw)
	last, ok := p.frame(head)
	if !ok {
		p.buffer = append(raw, rest...)
		return p.giveUp(), nil
	}
	return &Part{Kind: KindHead, Head: head, Last: last}, rest
}

// headEnd finds the end of the head, looking only where it may have come.
func headEnd(b []byte, before int) int {
	from := max(0, before-3)
	if i := bytes.Index(b[from:], []byte("\n\r\n")); i >= 0 {
		return from + i + 3
	}
	return -1
}

// giveUp turns opaque and returns what was collected.
func (p *Parser) giveUp() *Part {
	p.state = opaque
	data := p.buffer
	p.buffer = nil
	return &Part{Kind: KindOpaque, Data: data}
}

// plausible reports whether what was collected can begin an HTTP/1.x message.
func (p *Parser) plausible() bool {
	if p.response {
		return hasPrefix(p.buffer, "HTTP/1.")
	}
	if len(p.buffer) >= 4 && bytes.HasPrefix(p.buffer, []byte("PRI ")) {
		return false // HTTP/2 with prior knowledge
	}
	line, rest, whole := bytes.Cut(p.buffer, []byte("\n"))
	_ = rest
	method, target, spaced := bytes.Cut(line, []byte(" "))
	for _, c := range method {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	if len(method) > 32 || whole && !spaced || spaced && len(method) == 0 {
		return false
	}
	return !whole || bytes.Contains(target, []byte(" HTTP/1."))
}

func hasPrefix(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// frame decides how the body is delimited (RFC 9112 section 6.3). It returns
// whether there is none, and false for a framing that cannot be followed.
func (p *Parser) frame(h *Head) (last, ok bool) {
	if p.response {
		if none, final := p.bodyless(h); none {
			if final && p.state == opaque {
				return true, true
			}
			return true, true
		}
	}
	if codings := h.Values("Transfer-Encoding"); len(codings) > 0 {
		if !h.has("Transfer-Encoding", "chunked") {
			if p.response {
				p.state = untilClose
				return false, true
			}
			return false, false
		}
		p.state = inChunkSize
		return false, true
	}
	lengths := h.Values("Content-Length")
	switch {
	case len(lengths) == 0 && p.response:
		p.state = untilClose
		return false, true
	case len(lengths) == 0:
		return true, true
	}
	n, err := strconv.ParseInt(lengths[0], 10, 64)
	for _, other := range lengths[1:] {
		if other != lengths[0] {
			return false, false
		}
	}
	if err != nil || n < 0 {
		return false, false
	}
	if n == 0 {
		return true, true
	}
	p.state, p.left = inLength, n
	return false, true
}

// bodyless reports whether a response has no body by its status or by the
// method that it answers. An upgraded connection turns opaque.
func (p *Parser) bodyless(h *Head) (none, final bool) {
	status := h.Status()
	switch {
	case status == http.StatusSwitchingProtocols:
		p.state = opaque
		return true, true
	case status >= 100 && status < 200:
		return true, false
	}
	method := p.method()
	if method == http.MethodConnect && status >= 200 && status < 300 {
		p.state = opaque
		return true, true
	}
	return method == http.MethodHead || status == http.StatusNoContent ||
		status == http.StatusNotModified, true
}

// length passes on a body of known length.
func (p *Parser) length(data []byte) (*Part, []byte) {
	n := min(p.left, int64(len(data)))
	p.left -= n
	last := p.left == 0
	if last {
		p.state = inHead
	}
	return &Part{Kind: KindBody, Data: data[:n], Last: last}, data[n:]
}

// chunked passes on chunked framing as it came, to the end of data or of the
// message, whichever is first.
func (p *Parser) chunked(data []byte) (*Part, []byte) {
	for i := 0; i < len(data); {
		switch p.state {
		case inChunkData:
			n := min(p.left, int64(len(data)-i))
			p.left -= n
			i += int(n)
			if p.left == 0 {
				p.state = inChunkEnd
			}
		default:
			c := data[i]
			i++
			if c != '\n' {
				if p.line = append(p.line, c); len(p.line) > MaxHead {
					p.state = opaque
					return &Part{Kind: KindOpaque, Data: data}, nil
				}
				continue
			}
			if done, ok := p.endLine(); !ok {
				p.state = opaque
				return &Part{Kind: KindOpaque, Data: data}, nil
			} else if done {
				p.state = inHead
				return &Part{Kind: KindBody, Data: data[:i], Last: true}, data[i:]
			}
		}
	}
	return &Part{Kind: KindBody, Data: data}, nil
}

// endLine acts on a line of chunked framing; done says that the body is over.
func (p *Parser) endLine() (done, ok bool) {
	line := strings.TrimRight(string(p.line), "\r")
	p.line = p.line[:0]
	switch p.state {
	case inChunkSize:
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil || n < 0 {
			return false, false
		}
		if n == 0 {
			p.state = inTrailer
			return false, true
		}
		p.state, p.left = inChunkData, n
		return false, true
	case inChunkEnd:
		p.state = inChunkSize
		return false, line == ""
	default: // inTrailer
		return line == "", true
	}
}
