package toxics

import (
	"testing"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/stretchr/testify/assert"
)

// TestWhatIsDueBehindADelayedHead: a pipelined request that a toxic answers, or
// resets, is due when a response without a body was held before it.
func TestWhatIsDueBehindADelayedHead(t *testing.T) {
	t.Parallel()
	const (
		requests = "HEAD /late HTTP/1.1\r\nHost: a\r\n\r\nGET /hit HTTP/1.1\r\nHost: a\r\n\r\n"
		late     = "HTTP/1.1 200 OK\r\nX-Toxic: http_latency; mode=response; name=x\r\n\r\n"
		aborted  = "HTTP/1.1 503 Service Unavailable\r\nX-Toxic: http_status; mode=abort; name=y\r\n" +
			"Content-Length: 0\r\n\r\n"
	)
	for kind, want := range map[string]string{
		"http_status": late + aborted,
		"http_reset":  late,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, toxicSpec{"http_latency", `{"latency":1,"match":{"path":"/late"}}`},
				toxicSpec{kind, `{"match":{"path":"/hit"}}`})
			w.start()
			w.in <- &stream.StreamChunk{Data: []byte(requests)}
			<-w.out
			w.answers("HTTP/1.1 200 OK\r\n\r\n")
			within(t, func() {
				assert.Equal(t, want, w.reads(len(late)+1))
			})
			w.stop()
		})
	}
}
