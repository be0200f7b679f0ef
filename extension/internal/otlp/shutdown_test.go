package otlp_test

import (
	"bytes"
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// TestNothingArrivesAfterTheShutdown, even if the time for it was over in the middle of a
// request: what is counted then is not in the report.
func TestNothingArrivesAfterTheShutdown(t *testing.T) {
	t.Parallel()
	var late atomic.Int64
	var over atomic.Bool
	begun, goOn := make(chan struct{}, 9), make(chan struct{})
	r, _ := listen(t, func(c *otlp.Config) {
		c.GRPC = ""
		c.Sink = func([]span.Record) {
			if over.Load() {
				late.Add(1)
			}
			begun <- struct{}{}
			<-goOn
		}
	})
	var spans []*trace.Span // of two chunks
	for n := range uint64(10_000) {
		spans = append(spans, serverSpan(n+1))
	}
	body := marshal(t, request("inventory", spans...))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		resp, err := http.Post("http://"+r.HTTPAddr()+"/v1/traces",
			"application/x-protobuf", bytes.NewReader(body))
		if err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-begun
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := make(chan error, 1)
	go func() {
		err := r.Shutdown(expired)
		over.Store(true)
		stopped <- err
	}()
	time.Sleep(50 * time.Millisecond) // it could return now
	close(goOn)
	noError(t, <-stopped)
	<-sent
	time.Sleep(100 * time.Millisecond) // the rest could come now
	equal(t, 0, late.Load())
	equal(t, 10_000, r.Stats().Spans)
}
