package traced

import (
	"errors"
	"io"
)

// body tells when a response body has been read to its end, has failed or was
// closed: the round trip is over then.
type body struct {
	io.ReadCloser
	exchange *exchange
}

// Read reads from the response.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.exchange.finish(nil)
	case err != nil:
		b.exchange.finish(&bodyError{err})
	}
	return n, err
}

// Close closes the response.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.exchange.finish(nil)
	return err
}

// bodyError marks an error that came after the response headers.
type bodyError struct{ error }

// Unwrap returns the error of the read.
func (e *bodyError) Unwrap() error { return e.error }
