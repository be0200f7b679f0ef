package otlp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// body reads a request's body into a reused buffer, within limits of time and
// size, and holds a place among the requests being read once it is not small.
type body struct {
	receiver *Receiver
	req      *http.Request
	reader   io.Reader
	buf      *[]byte
	placed   bool
}

func (r *Receiver) newBody(w http.ResponseWriter, req *http.Request) *body {
	deadline := time.Now().Add(r.cfg.receiveTimeout)
	_ = http.NewResponseController(w).SetReadDeadline(deadline) // unsupported: HTTP/2 has its own
	buf, ok := r.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	return &body{
		receiver: r, req: req, buf: buf,
		reader: http.MaxBytesReader(w, req.Body, r.cfg.MaxBytes),
	}
}

// read returns the whole body. The bytes are valid until close.
func (b *body) read(ctx context.Context) ([]byte, error) {
	if b.req.ContentLength > b.receiver.cfg.MaxBytes {
		return nil, errTooLarge
	}
	out := (*b.buf)[:0]
	for {
		if len(out) == cap(out) {
			out = append(out, make([]byte, max(4096, len(out)))...)[:len(out)]
		}
		n, err := b.reader.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		*b.buf = out
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
		if len(out) > smallBody && !b.placed {
			if b.placed = b.receiver.admit(ctx); !b.placed {
				b.drain()
				return nil, errBusy
			}
		}
	}
}

// drain reads the rest without keeping it, within the same limits: a sender that
// is still writing when the connection closes may never see the answer.
func (b *body) drain() { _, _ = io.Copy(io.Discard, b.reader) }

// close gives back the place and the buffer, unless it has become large.
func (b *body) close() {
	if b.placed {
		b.receiver.leave()
	}
	if cap(*b.buf) <= keepBuffer {
		b.receiver.buffers.Put(b.buf)
	}
}
