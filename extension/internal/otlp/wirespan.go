package otlp

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlpfield"
)

// span scans a span and adds it to the records.
func (d *Decoder) span(b []byte) error {
	d.fields.reset()
	if err := d.fields.scan(b); err != nil {
		return err
	}
	return d.add(&d.fields)
}

// scan takes up the fields of a span: those that are plain in one go, and any
// other one by one.
func (s *fields) scan(b []byte) (err error) {
	for b = s.plain(b); len(b) > 0; b = s.plain(b) {
		if b, err = s.any(b); err != nil {
			return err
		}
	}
	return nil
}

// The tags of a span's fields: the number, and the wire type in the lowest three
// bits. That of the flags takes two bytes.
const (
	tagTraceID    = byte(otlpfield.SpanTraceID<<3) | byte(protowire.BytesType)
	tagSpanID     = byte(otlpfield.SpanSpanID<<3) | byte(protowire.BytesType)
	tagTraceState = byte(otlpfield.SpanTraceState<<3) | byte(protowire.BytesType)
	tagParentID   = byte(otlpfield.SpanParentID<<3) | byte(protowire.BytesType)
	tagName       = byte(otlpfield.SpanName<<3) | byte(protowire.BytesType)
	tagKind       = byte(otlpfield.SpanKind<<3) | byte(protowire.VarintType)
	tagStart      = byte(otlpfield.SpanStart<<3) | byte(protowire.Fixed64Type)
	tagEnd        = byte(otlpfield.SpanEnd<<3) | byte(protowire.Fixed64Type)
	tagAttributes = byte(otlpfield.SpanAttributes<<3) | byte(protowire.BytesType)
	tagStatus     = byte(otlpfield.SpanStatus<<3) | byte(protowire.BytesType)
	tagFlags      = byte(otlpfield.SpanFlags<<3&(oneByte-1)) | byte(protowire.Fixed32Type) | oneByte
	tagFlags2     = byte(otlpfield.SpanFlags >> 4)
	tagKey        = byte(otlpfield.KeyValueKey<<3) | byte(protowire.BytesType)
	tagValue      = byte(otlpfield.KeyValueValue<<3) | byte(protowire.BytesType)
	tagString     = byte(otlpfield.AnyString<<3) | byte(protowire.BytesType)
	tagInt        = byte(otlpfield.AnyInt<<3) | byte(protowire.VarintType)
)

// plain takes up fields as encoders write them, and returns what is left when it
// comes to one that is not so. It does nothing that any would not do.
func (s *fields) plain(b []byte) []byte {
	const typeBits = 1<<3 - 1
	for len(b) > 1 {
		var rest []byte
		var ok bool
		if b[0]&typeBits == byte(protowire.BytesType) {
			rest, ok = s.plainBytes(b)
		} else {
			rest, ok = s.plainNumber(b)
		}
		if !ok {
			return b
		}
		b = rest
	}
	return b
}

// plainBytes takes up one length-delimited field.
func (s *fields) plainBytes(b []byte) (rest []byte, ok bool) {
	body, rest, ok := delimited(b)
	if !ok {
		return nil, false
	}
	switch b[0] {
	case tagAttributes:
		return rest, s.plainAttribute(body)
	case tagTraceID:
		s.traceID = body
	case tagSpanID:
		s.spanID = body
	case tagTraceState:
		s.traceState = body
	case tagParentID:
		s.parentID = body
	case tagName:
		s.name = body
	case tagStatus: // usually empty
		return rest, len(body) == 0
	default:
		return nil, false
	}
	return rest, true
}

// plainNumber takes up one field of another type.
func (s *fields) plainNumber(b []byte) (rest []byte, ok bool) {
	const fixed64, fixed32 = 1 + 8, 2 + 4 // with their tags
	switch b[0] {
	case tagKind:
		if b[1] < oneByte {
			s.kind = int32(b[1])
			return b[2:], true
		}
	case tagStart:
		if len(b) >= fixed64 {
			s.start = binary.LittleEndian.Uint64(b[1:])
			return b[fixed64:], true
		}
	case tagEnd:
		if len(b) >= fixed64 {
			s.end = binary.LittleEndian.Uint64(b[1:])
			return b[fixed64:], true
		}
	case tagFlags:
		if len(b) >= fixed32 && b[1] == tagFlags2 {
			s.flags = binary.LittleEndian.Uint32(b[2:])
			return b[fixed32:], true
		}
	default:
	}
	return nil, false
}

// plainAttribute takes up a KeyValue of a key and a value, in this order. It
// reports whether it was one; if not, it has done nothing.
func (s *fields) plainAttribute(b []byte) bool {
	if len(b) < 2 || b[0] != tagKey {
		return false
	}
	key, b, ok := delimited(b)
	if !ok || len(b) < 2 || b[0] != tagValue {
		return false
	}
	body, b, ok := delimited(b)
	if !ok || len(b) > 0 {
		return false
	}
	a := attributeOf(key)
	if a == attrNone {
		return true
	}
	v, ok := plainValue(body)
	if ok {
		s.set(a, v)
	}
	return ok
}

// plainValue reads an AnyValue that is a text or a small number.
func plainValue(b []byte) (v value, ok bool) {
	if len(b) < 2 {
		return v, false
	}
	switch b[0] {
	case tagString:
		var rest []byte
		v.kind = valueString
		v.text, rest, ok = delimited(b)
		return v, ok && len(rest) == 0
	case tagInt:
		v.kind, v.num = valueInt, int64(b[1])
		if len(b) == 3 && b[1] >= oneByte && b[2] < oneByte {
			v.num = v.num&(oneByte-1) | int64(b[2])<<7
			return v, true
		}
		return v, len(b) == 2 && b[1] < oneByte
	default:
		return v, false
	}
}

// any takes up the field that b starts with, and returns what follows it.
func (s *fields) any(b []byte) ([]byte, error) {
	var f field
	b, err := f.next(b)
	if err != nil {
		return nil, err
	}
	switch f.typ {
	default: // groups hold nothing that is needed
	case protowire.BytesType:
		err = s.scanBytes(&f)
	case protowire.VarintType:
		if f.num == otlpfield.SpanKind {
			s.kind = int32(f.val) //nolint:gosec // enums wrap in protobuf as well
		}
	case protowire.Fixed64Type:
		switch f.num {
		default:
		case otlpfield.SpanStart:
			s.start = f.val
		case otlpfield.SpanEnd:
			s.end = f.val
		}
	case protowire.Fixed32Type:
		if f.num == otlpfield.SpanFlags {
			s.flags = uint32(f.val) //nolint:gosec // it was read from 32 bits
		}
	}
	return b, err
}

// scanBytes takes up a length-delimited field of a span.
func (s *fields) scanBytes(f *field) error {
	switch f.num {
	default:
	case otlpfield.SpanTraceID:
		s.traceID = f.bytes
	case otlpfield.SpanSpanID:
		s.spanID = f.bytes
	case otlpfield.SpanTraceState:
		s.traceState = f.bytes
	case otlpfield.SpanParentID:
		s.parentID = f.bytes
	case otlpfield.SpanName:
		s.name = f.bytes
	case otlpfield.SpanAttributes:
		a, v, err := scanAttribute(f.bytes)
		if err != nil {
			return fmt.Errorf("reading attribute: %w", err)
		}
		if a != attrNone {
			s.set(a, v)
		}
	case otlpfield.SpanStatus:
		return s.scanStatus(f.bytes)
	}
	return nil
}

func (s *fields) scanStatus(b []byte) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return fmt.Errorf("reading status: %w", err)
		}
		if f.is(otlpfield.StatusCode, protowire.VarintType) {
			s.statusCode = int32(f.val) //nolint:gosec // enums wrap in protobuf as well
		}
	}
	return nil
}

// scanAttribute reads a KeyValue. The value is interpreted only for a key
// that is kept. A value that comes in several pieces is merged, as protobuf
// demands for a message field that repeats.
func scanAttribute(b []byte) (attribute, value, error) {
	var f field
	var err error
	var key, last []byte
	var v value
	pieces := 0
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return attrNone, v, err
		}
		switch {
		case f.is(otlpfield.KeyValueKey, protowire.BytesType):
			key = f.bytes
		case f.is(otlpfield.KeyValueValue, protowire.BytesType):
			if pieces++; pieces > 1 {
				if err := v.scan(last); err != nil {
					return attrNone, v, err
				}
			}
			last = f.bytes
		}
	}
	a := attributeOf(key)
	if a == attrNone {
		return a, v, nil
	}
	return a, v, v.scan(last)
}

// scan reads an AnyValue; the last member that is set wins.
func (v *value) scan(b []byte) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return err
		}
		switch {
		case f.is(otlpfield.AnyString, protowire.BytesType):
			*v = value{kind: valueString, text: f.bytes}
		case f.is(otlpfield.AnyInt, protowire.VarintType):
			*v = value{kind: valueInt, num: int64(f.val)} //nolint:gosec // two's complement
		case f.isOtherValue():
			*v = value{}
		}
	}
	return nil
}
