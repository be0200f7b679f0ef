package otlp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// errNumber means that a number is not an integer in its field's range.
var errNumber = errors.New("not an integer in range")

// attribute consumes a KeyValue.
func (s *scanner) attribute() (attribute, value, error) {
	a, v := attrNone, value{}
	var seen once
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "key":
			if err := seen.first(0, key); err != nil {
				return err
			}
			text, err := s.optionalText()
			a = attributeOf(text)
			return err
		case "value":
			if err := seen.first(1, key); err != nil {
				return err
			}
			v, err = s.anyValue()
			return err
		default:
			return s.skip()
		}
	})
	return a, v, err
}

// anyValue consumes an AnyValue. Of its members only one may be present.
func (s *scanner) anyValue() (value, error) {
	var v value
	var seen once
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "stringValue", "intValue", "boolValue", "doubleValue",
			"arrayValue", "kvlistValue", "bytesValue":
		default:
			return s.skip()
		}
		if isNull, err := s.null(); isNull || err != nil {
			return err
		}
		if err := seen.first(0, key); err != nil {
			return err
		}
		switch string(key) {
		case "stringValue":
			text, err := s.text()
			v = value{kind: valueString, text: text}
			return err
		case "intValue":
			n, err := s.integer()
			v = value{kind: valueInt, num: n}
			return err
		default:
			return s.skip()
		}
	})
	return v, err
}

// optionalText consumes a string, or a null for an empty one.
func (s *scanner) optionalText() ([]byte, error) {
	if isNull, err := s.null(); isNull || err != nil {
		return nil, err
	}
	return s.text()
}

// id consumes hexadecimal digits into dst. What is not an id of the right
// size comes back as bytes of a wrong size, so that its span is rejected
// alone; absent and empty are the same.
func (s *scanner) id(dst []byte) ([]byte, error) {
	text, err := s.optionalText()
	if err != nil || len(text) == 0 {
		return nil, err
	}
	if len(text) != hex.EncodedLen(len(dst)) {
		return dst[:1], nil
	}
	if _, err := hex.Decode(dst, text); err != nil {
		return dst[:1], nil //nolint:nilerr // the span is rejected for it
	}
	return dst, nil
}

// enum consumes an integer: names are not allowed in OTLP.
func (s *scanner) enum() (int32, error) {
	if isNull, err := s.null(); isNull || err != nil {
		return 0, err
	}
	if s.peek() == '"' {
		return 0, s.fail("enum values must be integers")
	}
	n, err := s.integer()
	if err == nil && (n < math.MinInt32 || n > math.MaxInt32) {
		err = errNumber
	}
	return int32(n), err //nolint:gosec // checked above
}

// integer consumes a signed 64-bit number, or a string that holds one.
func (s *scanner) integer() (int64, error) {
	digits, err := s.digitsOf()
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseInt(stringOf(digits), 10, 64); err == nil {
		return n, nil
	}
	n, err := wholeNumber(digits)
	if err != nil || !n.IsInt64() {
		return 0, fmt.Errorf("%q: %w", digits, errNumber)
	}
	return n.Int64(), nil
}

// unsigned consumes a number up to limit, or a string that holds one.
func (s *scanner) unsigned(limit uint64) (uint64, error) {
	if isNull, err := s.null(); isNull || err != nil {
		return 0, err
	}
	digits, err := s.digitsOf()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(stringOf(digits), 10, 64)
	if err != nil {
		whole, err := wholeNumber(digits)
		if err != nil || !whole.IsUint64() {
			return 0, fmt.Errorf("%q: %w", digits, errNumber)
		}
		n = whole.Uint64()
	}
	if n > limit {
		return 0, fmt.Errorf("%q: %w", digits, errNumber)
	}
	return n, nil
}

// digitsOf consumes a number and returns its text, which must have the form
// of a JSON number also when it stands in a string.
func (s *scanner) digitsOf() ([]byte, error) {
	if s.peek() != '"' {
		return s.number()
	}
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	inner := scanner{in: text}
	digits, err := inner.number()
	if err != nil || len(digits) != len(text) {
		return nil, fmt.Errorf("%q: %w", text, errNumber)
	}
	return digits, nil
}

// wholeNumber reads a number that is written with a fraction or an exponent,
// like 1.6e18, and has none in fact.
func wholeNumber(digits []byte) (*big.Int, error) {
	const longest, highest = 40, 30 // neither length nor exponent can make this costly
	if len(digits) > longest {
		return nil, errNumber
	}
	if i := bytes.IndexAny(digits, "eE"); i >= 0 {
		exponent, err := strconv.Atoi(string(digits[i+1:]))
		if err != nil || exponent < -highest || exponent > highest {
			return nil, errNumber
		}
	}
	r, ok := new(big.Rat).SetString(string(digits))
	if !ok || !r.IsInt() {
		return nil, errNumber
	}
	return r.Num(), nil
}
