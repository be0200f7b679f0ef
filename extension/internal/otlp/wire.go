package otlp

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a message, with its content not yet interpreted:
// bytes for length-delimited fields, num for all numeric ones.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	bytes []byte
	val   uint64
}

// is reports whether the field has this number and type. As in every protobuf
// library, a known number with another type is an unknown field.
func (f *field) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

// next reads one field of b into f and returns what follows it. Nearly all
// fields of a span have a tag of one byte and a length of one byte; they take the
// short way.
func (f *field) next(b []byte) ([]byte, error) {
	const oneByte, bits = 0x80, 3 // of a varint; of a wire type in a tag
	if len(b) < 2 || b[0] >= oneByte || b[0] < 1<<bits {
		return f.nextSlow(b)
	}
	f.num, f.typ = protowire.Number(b[0]>>bits), protowire.Type(b[0]&(1<<bits-1))
	switch f.typ {
	case protowire.BytesType:
		if n := int(b[1]); n < oneByte && n <= len(b)-2 {
			f.bytes = b[2 : 2+n : 2+n]
			return b[2+n:], nil
		}
	case protowire.VarintType:
		if b[1] < oneByte {
			f.val = uint64(b[1])
			return b[2:], nil
		}
	case protowire.Fixed64Type:
		if len(b) > 8 {
			f.val = binary.LittleEndian.Uint64(b[1:])
			return b[9:], nil
		}
	default:
	}
	return f.nextSlow(b)
}

// nextSlow reads any field.
func (f *field) nextSlow(b []byte) ([]byte, error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return nil, protowire.ParseError(n)
	}
	b = b[n:]
	f.num, f.typ = num, typ
	switch typ {
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(b)
	case protowire.VarintType:
		f.val, n = protowire.ConsumeVarint(b)
	case protowire.Fixed64Type:
		f.val, n = protowire.ConsumeFixed64(b)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(b)
		f.val = uint64(v)
	default:
		n = protowire.ConsumeFieldValue(num, typ, b)
	}
	if n < 0 {
		return nil, protowire.ParseError(n)
	}
	return b[n:], nil
}

// request scans an ExportTraceServiceRequest or TracesData.
func (d *Decoder) request(b []byte) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return fmt.Errorf("reading request: %w", err)
		}
		if !f.is(requestResourceSpans, protowire.BytesType) {
			continue
		}
		if err := d.resourceSpans(f.bytes); err != nil {
			return err
		}
	}
	return nil
}

// resourceSpans scans twice, since the resource may follow its spans.
func (d *Decoder) resourceSpans(b []byte) error {
	d.service = nil
	var f field
	var err error
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return fmt.Errorf("reading resource_spans: %w", err)
		}
		if f.is(resourceSpansResource, protowire.BytesType) {
			if err := d.resource(f.bytes); err != nil {
				return fmt.Errorf("reading resource: %w", err)
			}
		}
	}
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return err
		}
		if f.is(resourceSpansScopeSpans, protowire.BytesType) {
			if err := d.scopeSpans(f.bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Decoder) resource(b []byte) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return err
		}
		if !f.is(resourceAttributes, protowire.BytesType) {
			continue
		}
		a, v, err := scanAttribute(f.bytes)
		if err != nil {
			return err
		}
		if a == attrService && v.kind == valueString {
			d.service = v.text
		}
	}
	return nil
}

// scopeSpans scans twice, since the scope may follow its spans.
func (d *Decoder) scopeSpans(b []byte) error {
	d.scope = nil
	var f field
	var err error
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return fmt.Errorf("reading scope_spans: %w", err)
		}
		if f.is(scopeSpansScope, protowire.BytesType) {
			if err := d.instrumentationScope(f.bytes); err != nil {
				return fmt.Errorf("reading scope: %w", err)
			}
		}
	}
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return err
		}
		if f.is(scopeSpansSpan, protowire.BytesType) {
			if err := d.span(f.bytes); err != nil {
				return fmt.Errorf("reading span: %w", err)
			}
		}
	}
	return nil
}

func (d *Decoder) instrumentationScope(b []byte) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return err
		}
		if f.is(scopeName, protowire.BytesType) {
			d.scope = f.bytes
		}
	}
	return nil
}

func (d *Decoder) span(b []byte) error {
	s := &d.fields
	s.reset()
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return err
		}
		switch f.typ {
		default: // groups hold nothing that is needed
		case protowire.BytesType:
			err = s.scanBytes(&f)
		case protowire.VarintType:
			if f.num == spanKind {
				s.kind = int32(f.val) //nolint:gosec // enums wrap in protobuf as well
			}
		case protowire.Fixed64Type:
			switch f.num {
			default:
			case spanStart:
				s.start = f.val
			case spanEnd:
				s.end = f.val
			}
		case protowire.Fixed32Type:
			if f.num == spanFlags {
				s.flags = uint32(f.val) //nolint:gosec // it was read from 32 bits
			}
		}
		if err != nil {
			return err
		}
	}
	return d.add(s)
}

// scanBytes takes up a length-delimited field of a span.
func (s *fields) scanBytes(f *field) error {
	switch f.num {
	default:
	case spanTraceID:
		s.traceID = f.bytes
	case spanSpanID:
		s.spanID = f.bytes
	case spanTraceState:
		s.traceState = f.bytes
	case spanParentID:
		s.parentID = f.bytes
	case spanName:
		s.name = f.bytes
	case spanAttributes:
		a, v, err := scanAttribute(f.bytes)
		if err != nil {
			return fmt.Errorf("reading attribute: %w", err)
		}
		if a != attrNone {
			s.set(a, v)
		}
	case spanStatus:
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
		if f.is(statusCode, protowire.VarintType) {
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
		case f.is(keyValueKey, protowire.BytesType):
			key = f.bytes
		case f.is(keyValueValue, protowire.BytesType):
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
		case f.is(anyString, protowire.BytesType):
			*v = value{kind: valueString, text: f.bytes}
		case f.is(anyInt, protowire.VarintType):
			*v = value{kind: valueInt, num: int64(f.val)} //nolint:gosec // two's complement
		case f.is(anyBool, protowire.VarintType), f.is(anyDouble, protowire.Fixed64Type),
			f.is(anyArray, protowire.BytesType), f.is(anyKVList, protowire.BytesType),
			f.is(anyBytes, protowire.BytesType), f.is(anyIndex, protowire.VarintType):
			*v = value{}
		}
	}
	return nil
}
