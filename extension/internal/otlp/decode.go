package otlp

import (
	"errors"
	"fmt"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// chunk is the number of records handed to a sink at once: more than the
// batches of common exporters hold, so that one request is one call.
const chunk = 8192

// ErrMalformed means that a message is not what it claims to be. Nothing of
// it was delivered.
var ErrMalformed = errors.New("malformed message")

// Result counts what one message held.
type Result struct {
	Spans    int    // records delivered
	Rejected int    // spans refused one by one, for their ids
	Reason   string // why the first one was refused; empty when none was
}

// Decoder turns OTLP messages into records. It reuses its buffers, so it must
// not be used concurrently; decoders are cheap to keep and costly to make.
type Decoder struct {
	cache   localCache
	out     []span.Record
	sink    func([]span.Record)
	result  Result
	dry     bool // check only: nothing is stored or delivered
	checked bool // the whole message is known to be well-formed
	service []byte
	scope   []byte
	verify  func() error // checks the whole message, before its first chunk is delivered
	json    scanner
	fields  fields      // the span being scanned
	ids     [3][16]byte // its ids, decoded from JSON
}

// NewDecoder returns a decoder with a descriptor cache of its own.
func NewDecoder() *Decoder { return newDecoder(newInterner()) }

// newDecoder returns a decoder that interns in a shared cache.
func newDecoder(shared *interner) *Decoder {
	return &Decoder{cache: newLocalCache(shared)}
}

// Decode reads a protobuf ExportTraceServiceRequest and hands its spans to the
// sink, in chunks. The records' slice is reused after the sink returns. When
// an error is returned, it wraps [ErrMalformed] and nothing was delivered.
//
// Decode accepts every message that the protobuf library accepts, with the
// same meaning. It does not look into what it does not need: damage inside an
// event, a link or an unused attribute value passes unnoticed.
func (d *Decoder) Decode(message []byte, sink func([]span.Record)) (Result, error) {
	return d.run(sink, func(d *Decoder) error { return d.request(message) })
}

// DecodeTracesData reads a protobuf TracesData message. It has the wire format
// of an export request.
func (d *Decoder) DecodeTracesData(message []byte, sink func([]span.Record)) (Result, error) {
	return d.Decode(message, sink)
}

// run decodes with walk. The records are delivered when all is read, or
// whenever a chunk is full, but then only after a second decoder has found
// the rest of the message well-formed.
func (d *Decoder) run(sink func([]span.Record), walk func(*Decoder) error) (Result, error) {
	d.result, d.sink, d.checked = Result{}, sink, false
	d.out = d.out[:0]
	d.verify = func() error {
		probe := newDecoder(d.cache.shared)
		probe.dry = true
		return walk(probe)
	}
	err := walk(d)
	if err == nil {
		d.deliver()
	}
	d.sink, d.verify = nil, nil
	d.service, d.scope = nil, nil
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return d.result, nil
}

// add turns the scanned fields into a record, or rejects the span.
func (d *Decoder) add(f *fields) error {
	if reason := f.badID(); reason != "" {
		d.result.Rejected++
		if d.result.Reason == "" {
			d.result.Reason = reason
		}
		return nil
	}
	route, isPath := f.route()
	t := text{
		service: d.service, scope: d.scope, name: f.name,
		method: f.text(attrMethod, attrOldMethod), route: route, routeIsPath: isPath,
	}
	descriptor, err := d.cache.descriptor(&t)
	if err != nil {
		return err
	}
	state, err := d.cache.traceState(f.traceState)
	if err != nil || d.dry {
		return err
	}
	if len(d.out) == chunk {
		if err := d.overflow(); err != nil {
			return err
		}
	}
	d.out = append(d.out, span.Record{})
	r := &d.out[len(d.out)-1]
	r.Descriptor, r.TraceState = descriptor, state
	f.record(r)
	return nil
}

// overflow delivers a full chunk once the whole message is known to be good.
func (d *Decoder) overflow() error {
	if !d.checked {
		if err := d.verify(); err != nil {
			return err
		}
		d.checked = true
	}
	d.deliver()
	return nil
}

func (d *Decoder) deliver() {
	if len(d.out) == 0 {
		return
	}
	d.result.Spans += len(d.out)
	d.sink(d.out)
	d.out = d.out[:0]
}

// Sibling returns another decoder that shares d's descriptors: equal spans
// read by either have the same descriptor. Siblings may be used concurrently.
func (d *Decoder) Sibling() *Decoder { return newDecoder(d.cache.shared) }
