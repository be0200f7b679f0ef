package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/gzip"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// keepBuffer is the largest buffer that a worker keeps between requests.
const keepBuffer = 4 << 20

// errTooLarge means that a request exceeds Config.MaxBytes.
var errTooLarge = errors.New("request is too large")

// errBusy means that no worker became free in time.
var errBusy = errors.New("receiver is busy")

// encoding is how a request's message is written.
type encoding uint8

const (
	encodingProtobuf encoding = iota
	encodingJSON
)

// payload is the content of a request, as sent.
type payload struct {
	raw      []byte
	packed   bool // with gzip
	encoding encoding
}

// worker unpacks and decodes one request at a time. There are as many of each
// sort as processors, which bounds the memory that decompression can take.
type worker struct {
	receiver *Receiver
	decoder  *Decoder
	inflater *gzip.Reader
	buffer   []byte
	digest   digest
}

// newWorkers makes as many workers for plain as for compressed requests, so
// that unpacking bombs keeps no plain request waiting.
func (r *Receiver) newWorkers() {
	n := max(2, runtime.GOMAXPROCS(0))
	shared := newInterner()
	r.plain, r.packed = make(chan *worker, n), make(chan *worker, n)
	for range n {
		r.plain <- &worker{receiver: r, decoder: newDecoder(shared)}
		r.packed <- &worker{receiver: r, decoder: newDecoder(shared)}
	}
}

// process decodes one request with the next free worker and delivers its
// spans. The error, if any, wraps errTooLarge, errBusy or ErrMalformed.
func (r *Receiver) process(ctx context.Context, p payload) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.admissionTimeout)
	defer cancel()
	free := r.plain
	if p.packed {
		free = r.packed
	}
	var w *worker
	select {
	case w = <-free:
	case <-ctx.Done():
		return Result{}, errBusy
	}
	defer func() { free <- w }()
	r.count.bytes.Add(uint64(len(p.raw)))
	result, err := w.process(p)
	if err != nil {
		return Result{}, err
	}
	r.count.spans.Add(uint64(result.Spans))       //nolint:gosec // a count
	r.count.rejected.Add(uint64(result.Rejected)) //nolint:gosec // a count
	if result.Spans > 0 && w.repeated(result.Spans) {
		r.count.redelivered.Add(1)
	}
	return result, nil
}

func (w *worker) process(p payload) (Result, error) {
	message := p.raw
	if p.packed {
		var err error
		if message, err = w.inflate(p.raw); err != nil {
			return Result{}, err
		}
	}
	if int64(len(message)) > w.receiver.cfg.MaxBytes {
		return Result{}, errTooLarge
	}
	w.digest = digest{}
	if p.encoding == encodingJSON {
		return w.decoder.DecodeJSON(message, w.deliver)
	}
	return w.decoder.Decode(message, w.deliver)
}

// deliver hands a chunk to the sink and takes note of its first span.
func (w *worker) deliver(batch []span.Record) {
	if w.digest.first.IsZero() {
		w.digest.first, w.digest.trace = batch[0].SpanID, batch[0].TraceID
	}
	last := &batch[len(batch)-1]
	w.digest.last = last.SpanID
	w.receiver.cfg.Sink(batch)
}

// inflate unpacks gzip into the worker's buffer, and stops at the limit.
func (w *worker) inflate(raw []byte) ([]byte, error) {
	var err error
	if w.inflater == nil {
		w.inflater, err = gzip.NewReader(bytes.NewReader(raw))
	} else {
		err = w.inflater.Reset(bytes.NewReader(raw))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: reading gzip header: %w", ErrMalformed, err)
	}
	out := bytes.NewBuffer(w.buffer[:0])
	limit := w.receiver.cfg.MaxBytes
	n, err := out.ReadFrom(io.LimitReader(w.inflater, limit+1))
	if b := out.Bytes(); cap(b) <= keepBuffer {
		w.buffer = b
	} else {
		w.buffer = nil
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: unpacking gzip: %w", ErrMalformed, err)
	case n > limit:
		return nil, errTooLarge
	default:
		return out.Bytes(), nil
	}
}
