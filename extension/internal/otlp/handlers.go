package otlp

import (
	"net/http"
	"sync"
)

// handlers are the calls of an HTTP handler that are under way. A server that is closed
// does not wait for them.
type handlers struct {
	mu      sync.Mutex
	stopped bool
	calls   sync.WaitGroup
}

// counted counts the calls of a handler, and makes none once they were stopped.
func (h *handlers) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.mu.Lock()
		stopped := h.stopped
		if !stopped {
			h.calls.Add(1)
		}
		h.mu.Unlock()
		if stopped {
			return // the connection is closed: nobody hears of it
		}
		defer h.calls.Done()
		next.ServeHTTP(w, req)
	})
}

// stop waits for the calls under way and makes no other.
func (h *handlers) stop() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.calls.Wait()
}
