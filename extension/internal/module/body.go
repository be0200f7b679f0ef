package module

import (
	"io"
	"net/http"
	"strings"
	"sync"
)

// frozenBody repeats the first attempt's multipart body byte for byte. k6
// encodes a form anew for every call, with another boundary and, for several
// fields, in another order.
type frozenBody struct {
	mu          sync.Mutex
	contentType string
	get         func() (io.ReadCloser, error)
	length      int64
}

// apply remembers the body of the first attempt and returns later requests
// with that body. The request it was given is not changed.
func (b *frozenBody) apply(req *http.Request, attempt int) *http.Request {
	contentType := req.Header.Get("Content-Type")
	if req.GetBody == nil || !strings.HasPrefix(contentType, "multipart/form-data") {
		return req
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if attempt == 1 || b.get == nil {
		b.contentType, b.get, b.length = contentType, req.GetBody, req.ContentLength
		return req
	}
	body, err := b.get()
	if err != nil {
		return req
	}
	repeated := req.Clone(req.Context())
	repeated.Body, repeated.GetBody, repeated.ContentLength = body, b.get, b.length
	repeated.Header.Set("Content-Type", b.contentType)
	return repeated
}
