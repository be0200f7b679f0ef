package otlp

import (
	"context"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// SetTimeouts shortens the limits on senders for a test.
func SetTimeouts(c *Config, receive, admission time.Duration) {
	c.receiveTimeout, c.admissionTimeout = receive, admission
}

// Occupy takes all places for requests, and all workers, until the returned
// function is called.
func (r *Receiver) Occupy() (release func()) {
	_ = r.places.Acquire(context.Background(), maxReceiving)
	var taken []*worker
	for range cap(r.plain) {
		taken = append(taken, <-r.plain)
	}
	return func() {
		r.places.Release(maxReceiving)
		for _, w := range taken {
			r.plain <- w
		}
	}
}

// FindClaim is findClaim.
func FindClaim(agent []byte) tracecontext.Correlation { return findClaim(agent) }
