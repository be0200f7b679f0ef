package otlp

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlpfield"
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

// isOtherValue reports whether the field is a member of AnyValue that is not
// looked into.
func (f *field) isOtherValue() bool {
	switch f.num {
	case otlpfield.AnyBool, otlpfield.AnyIndex:
		return f.typ == protowire.VarintType
	case otlpfield.AnyDouble:
		return f.typ == protowire.Fixed64Type
	case otlpfield.AnyArray, otlpfield.AnyMap, otlpfield.AnyBytes:
		return f.typ == protowire.BytesType
	default:
		return false
	}
}

// next reads one field of b into f and returns what follows it. Nearly all
// fields have a tag of one byte and a length of one or two; they take the short way.
func (f *field) next(b []byte) ([]byte, error) {
	const bits = 3 // of a wire type in a tag
	if len(b) < 2 || b[0] >= oneByte || b[0] < 1<<bits {
		return f.nextSlow(b)
	}
	f.num, f.typ = protowire.Number(b[0]>>bits), protowire.Type(b[0]&(1<<bits-1))
	switch f.typ {
	case protowire.BytesType:
		if body, rest, ok := delimited(b); ok {
			f.bytes = body
			return rest, nil
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

// oneByte is the first value that takes a varint of two bytes.
const oneByte = 0x80

// delimited returns the content of the length-delimited field that b starts with,
// and what follows it. It leaves what is not plain to nextSlow: tags of more than
// one byte, lengths of more than two, and lengths that b does not have.
func delimited(b []byte) (body, rest []byte, ok bool) {
	n, at := int(b[1]), 2
	if n >= oneByte {
		if len(b) < 3 || b[2] >= oneByte {
			return nil, nil, false
		}
		n, at = n&(oneByte-1)|int(b[2])<<7, 3
	}
	if n > len(b)-at {
		return nil, nil, false
	}
	return b[at : at+n], b[at+n:], true
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
		if !f.is(otlpfield.RequestResourceSpans, protowire.BytesType) {
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
		if f.is(otlpfield.ResourceSpansResource, protowire.BytesType) {
			if err := d.resource(f.bytes); err != nil {
				return fmt.Errorf("reading resource: %w", err)
			}
		}
	}
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return err
		}
		if f.is(otlpfield.ResourceSpansScopeSpans, protowire.BytesType) {
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
		if !f.is(otlpfield.ResourceAttributes, protowire.BytesType) {
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
		if f.is(otlpfield.ScopeSpansScope, protowire.BytesType) {
			if err := d.instrumentationScope(f.bytes); err != nil {
				return fmt.Errorf("reading scope: %w", err)
			}
		}
	}
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return err
		}
		if f.is(otlpfield.ScopeSpansSpan, protowire.BytesType) {
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
		if f.is(otlpfield.ScopeName, protowire.BytesType) {
			d.scope = f.bytes
		}
	}
	return nil
}
