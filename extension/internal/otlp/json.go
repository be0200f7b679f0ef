package otlp

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlpfield"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// errDuplicate means that an object has one of the fields twice.
var errDuplicate = errors.New("field occurs twice")

// DecodeJSON reads an ExportTraceServiceRequest in the JSON form of OTLP and
// hands its spans to the sink, as [Decoder.Decode] does. Ids are hexadecimal
// in any case, enums are integers, 64-bit numbers are strings or numbers, and
// unknown fields are ignored.
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
func (d *Decoder) DecodeJSON(message []byte, sink func([]span.Record)) (Result, error) {
	return d.run(sink, func(d *Decoder) error {
		d.json = scanner{in: message}
		if err := d.jsonRequest(); err != nil {
			return err
		}
		return d.json.end()
	})
}

// DecodeResultJSON reads the answer of Jaeger's query API: a request, as
// [Decoder.DecodeJSON] reads it, in the field `result`.
func (d *Decoder) DecodeResultJSON(message []byte, sink func([]span.Record)) (Result, error) {
	return d.run(sink, func(d *Decoder) error {
		s := &d.json
		*s = scanner{in: message}
		found := false
		err := s.object(func(key []byte) error {
			if string(key) != "result" {
				return s.skip()
			}
			if found {
				return fmt.Errorf("result: %w", errDuplicate)
			}
			found = true
			return d.jsonRequest()
		})
		if err == nil && !found {
			err = errNoResult
		}
		if err != nil {
			return err
		}
		return s.end()
	})
}

// errNoResult means that an answer has no field `result`.
var errNoResult = errors.New("the field result is absent")

// once returns a check that no known field of an object occurs twice.
type once uint32

func (o *once) first(bit uint, key []byte) error {
	if *o&(1<<bit) != 0 {
		return fmt.Errorf("%s: %w", key, errDuplicate)
	}
	*o |= 1 << bit
	return nil
}

func (d *Decoder) jsonRequest() error {
	s := &d.json
	var seen once
	if s.peek() != '{' {
		return s.fail("an object is expected")
	}
	return s.object(func(key []byte) error {
		if string(key) != "resourceSpans" {
			return s.skip()
		}
		if err := seen.first(0, key); err != nil {
			return err
		}
		return s.array(d.jsonResourceSpans)
	})
}

// jsonResourceSpans reads the resource first, wherever it stands: the scope
// spans are skipped, and revisited when the object has ended.
func (d *Decoder) jsonResourceSpans() error {
	s := &d.json
	d.service = nil
	var seen once
	later := -1
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "resource":
			if err := seen.first(0, key); err != nil {
				return err
			}
			return d.jsonResource()
		case "scopeSpans":
			if err := seen.first(1, key); err != nil {
				return err
			}
			later = s.pos
		}
		return s.skip()
	})
	return d.revisit(err, later, d.jsonScopeSpans)
}

// revisit reads the array at a position that was skipped before.
func (d *Decoder) revisit(err error, at int, element func() error) error {
	if err != nil || at < 0 {
		return err
	}
	s := &d.json
	end := s.pos
	s.pos = at
	err = s.array(element)
	s.pos = end
	return err
}

func (d *Decoder) jsonResource() error {
	s := &d.json
	var seen once
	return s.object(func(key []byte) error {
		if string(key) != "attributes" {
			return s.skip()
		}
		if err := seen.first(0, key); err != nil {
			return err
		}
		return s.array(func() error {
			a, v, err := s.attribute()
			if err == nil && a == attrService && v.kind == valueString {
				d.service = v.text
			}
			return err
		})
	})
}

func (d *Decoder) jsonScopeSpans() error {
	s := &d.json
	d.scope = nil
	var seen once
	later := -1
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "scope":
			if err := seen.first(0, key); err != nil {
				return err
			}
			return d.jsonScope()
		case "spans":
			if err := seen.first(1, key); err != nil {
				return err
			}
			later = s.pos
		}
		return s.skip()
	})
	return d.revisit(err, later, d.jsonSpan)
}

func (d *Decoder) jsonScope() error {
	s := &d.json
	var seen once
	return s.object(func(key []byte) error {
		if string(key) != "name" {
			return s.skip()
		}
		if err := seen.first(0, key); err != nil {
			return err
		}
		var err error
		d.scope, err = s.optionalText()
		return err
	})
}

func (d *Decoder) jsonSpan() error {
	s := &d.json
	f := &d.fields
	f.reset()
	var seen once
	err := s.object(func(key []byte) error {
		bit, ok := spanField(key)
		if !ok {
			return s.skip()
		}
		if err := seen.first(bit, key); err != nil {
			return err
		}
		if err := d.jsonSpanField(f, bit); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.add(f)
}

// spanField returns the field number of a span's JSON name.
func spanField(key []byte) (number uint, ok bool) {
	switch string(key) {
	case "traceId":
		return uint(otlpfield.SpanTraceID), true
	case "spanId":
		return uint(otlpfield.SpanSpanID), true
	case "traceState":
		return uint(otlpfield.SpanTraceState), true
	case "parentSpanId":
		return uint(otlpfield.SpanParentID), true
	case "name":
		return uint(otlpfield.SpanName), true
	case "kind":
		return uint(otlpfield.SpanKind), true
	case "startTimeUnixNano":
		return uint(otlpfield.SpanStart), true
	case "endTimeUnixNano":
		return uint(otlpfield.SpanEnd), true
	case "attributes":
		return uint(otlpfield.SpanAttributes), true
	case "status":
		return uint(otlpfield.SpanStatus), true
	case "flags":
		return uint(otlpfield.SpanFlags), true
	default:
		return 0, false
	}
}

func (d *Decoder) jsonSpanField(f *fields, number uint) (err error) {
	s := &d.json
	switch protowire.Number(number) { //nolint:gosec // a field number
	default:
		err = s.skip()
	case otlpfield.SpanTraceID:
		f.traceID, err = s.id(d.ids[0][:])
	case otlpfield.SpanSpanID:
		f.spanID, err = s.id(d.ids[1][:8])
	case otlpfield.SpanParentID:
		f.parentID, err = s.id(d.ids[2][:8])
	case otlpfield.SpanTraceState:
		f.traceState, err = s.optionalText()
	case otlpfield.SpanName:
		f.name, err = s.optionalText()
	case otlpfield.SpanKind:
		f.kind, err = s.enum()
	case otlpfield.SpanStart:
		f.start, err = s.unsigned(math.MaxUint64)
	case otlpfield.SpanEnd:
		f.end, err = s.unsigned(math.MaxUint64)
	case otlpfield.SpanFlags:
		var n uint64
		n, err = s.unsigned(math.MaxUint32)
		f.flags = uint32(n) //nolint:gosec // bounded above
	case otlpfield.SpanStatus:
		f.statusCode, err = s.statusCode()
	case otlpfield.SpanAttributes:
		err = s.array(func() error {
			a, v, err := s.attribute()
			if err == nil && a != attrNone {
				f.set(a, v)
			}
			return err
		})
	}
	return err
}

func (s *scanner) statusCode() (code int32, err error) {
	var seen once
	err = s.object(func(key []byte) error {
		if string(key) != "code" {
			return s.skip()
		}
		if err := seen.first(0, key); err != nil {
			return err
		}
		code, err = s.enum()
		return err
	})
	return code, err
}
