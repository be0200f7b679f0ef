package toxics

import (
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	idleRequest = "GET /catalogue/items/17?size=m HTTP/1.1\r\nHost: shop.test\r\n" +
		"User-Agent: test\r\nAccept: */*\r\n" +
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
	idleHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"
)

// pass sends one request and its response through both halves, each as one chunk,
// and returns the chunks that come out.
func (w *wire) pass(request, response *stream.StreamChunk) (toService, toClient *stream.StreamChunk) {
	w.in <- request
	toService = <-w.out
	w.back <- response
	return toService, <-w.sent
}

func (w *wire) start() {
	go w.run(w.requests, &RequestHalf{})
	go w.run(w.responses, &ResponseHalf{})
}

func (w *wire) stop() {
	close(w.in)
	close(w.back)
	for range w.out {
		continue
	}
	for range w.sent {
		continue
	}
}

// TestUntouchedChunksPass: what no toxic chose goes on as the chunk that it is; of
// what one chose, the time is the time at which it goes out.
func TestUntouchedChunksPass(t *testing.T) {
	t.Parallel()
	response := idleHead + strings.Repeat("x", 1024)
	for _, c := range []struct {
		name   string
		spec   toxicSpec
		passes bool
	}{
		{"chosen", toxicSpec{"http_latency", `{"latency":0}`}, false},
		{"not chosen", toxicSpec{"http_latency", `{"latency":0,"match":{"path":"/no"}}`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, c.spec)
			w.start()
			defer w.stop()
			asked := &stream.StreamChunk{Data: []byte(idleRequest)}
			answered := &stream.StreamChunk{Data: []byte(response)}
			toService, toClient := w.pass(asked, answered)
			assert.Equal(t, idleRequest, string(toService.Data))
			assert.Equal(t, response, string(toClient.Data))
			assert.Same(t, &answered.Data[0], &toClient.Data[0], "the bytes are not copied")
			assert.Equal(t, c.passes, toService == asked)
			assert.Equal(t, c.passes, toClient == answered)
			assert.Equal(t, c.passes, toClient.Timestamp.IsZero())
		})
	}
}

// BenchmarkIdleHalves is a request and its response of 1 KiB on a link without
// sockets: through both halves with toxics that select nothing, and through the two
// toxics that do nothing, in whose place the halves are, so that all the rest is the
// same. The four allocations are the benchmark's own: two chunks and their data, as
// toxiproxy's reading makes them.
//
// The halves hand on each chunk as the toxics that do nothing do, in a goroutine each
// that they cannot do without: toxiproxy starts one for every toxic. What they take
// more, about 0.9 us of CPU per request, is to read and follow two heads. With client
// and service, a request takes 43 us through a plain proxy (BenchmarkAgainstPlainProxy),
// and a profile of one with idle toxics shows 2.4 % of it in the halves' process: a
// ratio of CPU of 0.976. It cannot be 1 while toxics may come at any time: the bounds
// of the messages have to be known then.
func BenchmarkIdleHalves(b *testing.B) {
	idle := func(b *testing.B) *wire {
		b.Helper()
		w := newWire(b, toxicSpec{"http_status", `{"probability":0}`},
			toxicSpec{"http_latency", `{"latency":100,"match":{"path":"/nowhere"}}`},
			toxicSpec{"http_header", `{"remove":["traceparent"],"match":{"method":"PUT"}}`})
		w.start()
		return w
	}
	plain := func(b *testing.B) *wire {
		b.Helper()
		w := newWire(b)
		go w.run(w.requests, &toxics.NoopToxic{})
		go w.run(w.responses, &toxics.NoopToxic{})
		return w
	}
	response := idleHead + strings.Repeat("x", 1024)
	for name, link := range map[string]func(*testing.B) *wire{"idle": idle, "plain": plain} {
		b.Run(name, func(b *testing.B) {
			w := link(b)
			defer w.stop()
			b.ReportAllocs()
			for b.Loop() {
				w.pass(&stream.StreamChunk{Data: []byte(idleRequest)},
					&stream.StreamChunk{Data: []byte(response)})
			}
			for _, counted := range w.hub.Counters() {
				require.Zero(b, counted.Selected)
			}
		})
	}
}
