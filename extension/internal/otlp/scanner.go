package otlp

import (
	"bytes"
	"errors"
	"fmt"
)

// maxDepth bounds the nesting of JSON, as encoding/json does.
const maxDepth = 10000

// Errors of the scanner.
var (
	errSyntax = errors.New("invalid JSON")
	errDepth  = fmt.Errorf("JSON is nested deeper than %d levels", maxDepth)
)

// scanner reads JSON (RFC 8259) from a byte slice, front to back, without
// building values. Its strings are slices of the input unless they contain
// escapes.
type scanner struct {
	in    []byte
	pos   int
	depth int
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w at byte %d: %s", errSyntax, s.pos, what)
}

// peek skips white space and returns the next byte; 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.in) {
		switch c := s.in[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.pos >= len(s.in) {
		return false
	}
	s.pos++
	return true
}

// end demands that nothing but white space is left.
func (s *scanner) end() error {
	s.peek()
	if s.pos < len(s.in) {
		return s.fail("unexpected data after the value")
	}
	return nil
}

// null consumes a null if it is next.
func (s *scanner) null() (bool, error) {
	if s.peek() != 'n' {
		return false, nil
	}
	return true, s.literal("null")
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.in[s.pos:], []byte(word)) {
		return s.fail("unknown literal")
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return errDepth
	}
	return nil
}

// object calls member for each key; member must consume the value. A null
// counts as an empty object, as everywhere in the JSON form of protobuf.
func (s *scanner) object(member func(key []byte) error) error {
	if isNull, err := s.null(); isNull || err != nil {
		return err
	}
	if !s.take('{') {
		return s.fail("an object is expected")
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	if s.take('}') {
		return nil
	}
	for {
		key, err := s.text()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.fail("a colon is expected")
		}
		if err := member(key); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.fail("a comma or the end of the object is expected")
		}
	}
}

// array calls element for each element; element must consume it. A null
// counts as an empty array.
func (s *scanner) array(element func() error) error {
	if isNull, err := s.null(); isNull || err != nil {
		return err
	}
	if !s.take('[') {
		return s.fail("an array is expected")
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	if s.take(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.fail("a comma or the end of the array is expected")
		}
	}
}

// skip consumes any value, checking its syntax.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, err := s.text()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		_, err := s.number()
		return err
	}
}

// number consumes a number and returns its digits.
func (s *scanner) number() ([]byte, error) {
	s.peek()
	start := s.pos
	s.one('-')
	if !s.one('0') && s.digits() == 0 {
		return nil, s.fail("a value is expected")
	}
	if s.one('.') && s.digits() == 0 {
		return nil, s.fail("a digit is expected")
	}
	if s.one('e') || s.one('E') {
		if !s.one('+') {
			s.one('-')
		}
		if s.digits() == 0 {
			return nil, s.fail("a digit is expected")
		}
	}
	return s.in[start:s.pos], nil
}

// one consumes c if it is the very next byte.
func (s *scanner) one(c byte) bool {
	if s.pos < len(s.in) && s.in[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.in) && '0' <= s.in[s.pos] && s.in[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}
