package otlp

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text consumes a string and returns its unescaped content.
func (s *scanner) text() ([]byte, error) {
	if !s.take('"') {
		return nil, s.fail("a string is expected")
	}
	start := s.pos
	for s.pos < len(s.in) {
		switch c := s.in[s.pos]; {
		case c == '"':
			s.pos++
			return s.in[start : s.pos-1], nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.fail("control character in a string")
		default:
			s.pos++
		}
	}
	return nil, s.fail("the string does not end")
}

// escaped continues text at the first backslash, with a copy.
func (s *scanner) escaped(start int) ([]byte, error) {
	out := append([]byte(nil), s.in[start:s.pos]...)
	for s.pos < len(s.in) {
		c := s.in[s.pos]
		s.pos++
		switch {
		case c == '"':
			return out, nil
		case c < ' ':
			return nil, s.fail("control character in a string")
		case c != '\\':
			out = append(out, c)
		default:
			var err error
			if out, err = s.escape(out); err != nil {
				return nil, err
			}
		}
	}
	return nil, s.fail("the string does not end")
}

// escape appends the character that follows a backslash.
func (s *scanner) escape(out []byte) ([]byte, error) {
	if s.pos >= len(s.in) {
		return nil, s.fail("the string does not end")
	}
	c := s.in[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		r, err := s.rune()
		return utf8.AppendRune(out, r), err
	default:
		return nil, s.fail("unknown escape")
	}
}

// rune reads the digits of \uXXXX, and the second half of a surrogate pair.
// A half without its other half is U+FFFD.
func (s *scanner) rune() (rune, error) {
	first, err := s.hex4()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	mark := s.pos
	if s.one('\\') && s.one('u') {
		second, err := s.hex4()
		if err != nil {
			return 0, err
		}
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, nil
		}
	}
	s.pos = mark
	return utf8.RuneError, nil
}

func (s *scanner) hex4() (rune, error) {
	if len(s.in)-s.pos < 4 {
		return 0, s.fail("four hexadecimal digits are expected")
	}
	n, err := strconv.ParseUint(string(s.in[s.pos:s.pos+4]), 16, 16)
	if err != nil {
		return 0, s.fail("four hexadecimal digits are expected")
	}
	s.pos += 4
	return rune(n), nil
}
