package httpstream

import "bytes"

// MaxHead bounds a message head; a longer one makes the stream opaque.
const MaxHead = 1 << 20

// maxChunkLine bounds the line of a chunk's size with its extensions.
const maxChunkLine = 16 << 10

// Kind says what a [Part] is.
type Kind uint8

const (
	// KindNone is no part: all data was consumed and more is needed.
	KindNone Kind = iota
	// KindHead is a whole message head, in Part.Head and Part.Data.
	KindHead
	// KindBody is a piece of a body's content.
	KindBody
	// KindFraming is a piece of what delimits a body: chunk sizes, trailers; also
	// empty lines between requests.
	KindFraming
	// KindOpaque is a piece of a stream that is not HTTP/1.1.
	KindOpaque
)

// Part is a piece of the stream. Last says that the message ends with it.
type Part struct {
	Kind   Kind
	Head   *Head // the parser's own, until it reads the next; for more, copy it
	Data   []byte
	Length int64 // of the body that follows a head; -1: not known
	Last   bool
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
	begun    bool   // the first line of the head in the buffer is whole and plausible
	left     int64  // bytes left of a body or chunk
	line     []byte // a copy of an incomplete chunk size or trailer line
	current  Head   // the one that was read last
	method   func() string
}

// NewRequestParser returns a parser of requests.
func NewRequestParser() *Parser { return &Parser{} }

// NewResponseParser returns a parser of responses. Method is asked, at each
// final response head, for the method of the request that it answers; an empty
// method stands for one that is not known.
func NewResponseParser(method func() string) *Parser {
	return &Parser{response: true, method: method}
}

// Opaque reports whether the stream is not, or no longer, HTTP/1.1.
func (p *Parser) Opaque() bool { return p.state == opaque }

// Boundary reports whether the parser stands between two messages.
func (p *Parser) Boundary() bool { return p.state == inHead && len(p.buffer) == 0 }

// UntilClose reports whether the body under way ends with the connection.
func (p *Parser) UntilClose() bool { return p.state == untilClose }

// SetOpaque makes the parser return all that follows as it comes. It must stand
// at a boundary.
func (p *Parser) SetOpaque() { p.state = opaque }

// Pending returns the bytes of an incomplete head and forgets them: what has
// to be passed on when nobody parses any longer.
func (p *Parser) Pending() []byte {
	out := p.buffer
	p.buffer = nil
	return out
}

// Next consumes a prefix of data and returns the part that it completes and
// the rest of data. Parts keep references into data.
func (p *Parser) Next(data []byte) (part Part, rest []byte) {
	if len(data) == 0 {
		return Part{}, nil
	}
	switch p.state {
	case inHead:
		return p.head(data)
	case inLength, inChunkData:
		return p.content(data)
	case untilClose:
		return Part{Kind: KindBody, Data: data}, nil
	case opaque:
		return Part{Kind: KindOpaque, Data: data}, nil
	default:
		return p.framing(data)
	}
}

// head collects a message head.
func (p *Parser) head(data []byte) (Part, []byte) {
	before := len(p.buffer)
	if before == 0 && !p.response && (data[0] == '\r' || data[0] == '\n') {
		n := len(data) - len(bytes.TrimLeft(data, "\r\n")) // RFC 9112 section 2.2
		return Part{Kind: KindFraming, Data: data[:n]}, data[n:]
	}
	all := data
	if before > 0 {
		p.buffer = append(p.buffer, data...)
		all = p.buffer
	}
	if !p.begun {
		// A long first line is not read again for each of its chunks.
		p.begun = bytes.IndexByte(data, '\n') >= 0
		if (p.begun || before <= maxMethod) && !p.plausible(all) {
			return p.giveUp(all), nil
		}
	}
	end := headEnd(all, before)
	if end > MaxHead || end < 0 && len(all) > MaxHead {
		return p.giveUp(all), nil
	}
	if end < 0 {
		if before == 0 {
			p.buffer = bytes.Clone(data)
		}
		return Part{}, nil
	}
	p.current = newHead(all[:end])
	last, ok := p.frame(&p.current)
	if !ok {
		return p.giveUp(all), nil
	}
	p.buffer, p.begun = nil, false
	part := Part{Kind: KindHead, Head: &p.current, Data: all[:end], Length: -1, Last: last}
	switch {
	case last:
		part.Length = 0
	case p.state == inLength:
		part.Length = p.left
	}
	return part, data[end-before:]
}

// headEnd finds the end of the head, looking only where it may have come. Lines
// may end with a line feed alone (RFC 9112 section 2.2).
func headEnd(b []byte, before int) int {
	for from := max(0, before-2); ; {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1
		}
		from += i + 1
		switch rest := b[from:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return from + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return from + 2
		}
	}
}

// giveUp turns opaque and returns what was collected.
func (p *Parser) giveUp(all []byte) Part {
	p.state = opaque
	p.buffer = nil
	return Part{Kind: KindOpaque, Data: all}
}

// content passes on content of a known length: a whole body or a chunk's.
func (p *Parser) content(data []byte) (Part, []byte) {
	n := min(p.left, int64(len(data)))
	p.left -= n
	part := Part{Kind: KindBody, Data: data[:n]}
	if p.left == 0 {
		if part.Last = p.state == inLength; part.Last {
			p.state = inHead
		} else {
			p.state = inChunkEnd
		}
	}
	return part, data[n:]
}

// framing passes on the lines of chunked framing as they come, up to the next
// chunk's content or the end of the message.
func (p *Parser) framing(data []byte) (Part, []byte) {
	for i := 0; i < len(data); {
		n := bytes.IndexByte(data[i:], '\n') + 1
		whole := n > 0
		if !whole {
			n = len(data) - i
		}
		p.line = append(p.line, data[i:i+n]...)
		i += n
		if len(p.line) > maxChunkLine {
			return p.giveUp(data), nil
		}
		if !whole {
			break
		}
		done, ok := p.endLine()
		switch {
		case !ok:
			return p.giveUp(data), nil
		case done:
			p.state = inHead
			return Part{Kind: KindFraming, Data: data[:i], Last: true}, data[i:]
		case p.state == inChunkData:
			return Part{Kind: KindFraming, Data: data[:i]}, data[i:]
		}
	}
	return Part{Kind: KindFraming, Data: data}, nil
}

// endLine acts on a line of chunked framing; done says that the message is over.
func (p *Parser) endLine() (done, ok bool) {
	line := bytes.TrimSuffix(p.line[:len(p.line)-1], []byte("\r"))
	p.line = p.line[:0]
	switch p.state {
	case inChunkSize:
		n, ok := parseChunkSize(line)
		switch {
		case !ok:
			return false, false
		case n == 0:
			p.state = inTrailer
		default:
			p.state, p.left = inChunkData, n
		}
		return false, true
	case inChunkEnd:
		p.state = inChunkSize
		return false, len(line) == 0
	default: // inTrailer
		return len(line) == 0, true
	}
}
