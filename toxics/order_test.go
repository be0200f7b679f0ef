package toxics

import (
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sends is what the client sends next.
func (w *wire) sends(text string) { w.in <- &stream.StreamChunk{Data: []byte(text)} }

// untilEnd is all that still comes on a way, until it is closed.
func untilEnd(from chan *stream.StreamChunk) string {
	var got strings.Builder
	for chunk := range from {
		got.Write(chunk.Data)
	}
	return got.String()
}

// hangsUp closes both ends, whatever state the halves are in.
func (w *wire) hangsUp() {
	close(w.in)
	close(w.back)
}

const getHit = "GET /hit/1 HTTP/1.1\r\nHost: a\r\n\r\n"

// TestNothingPassesBehindAReset: requests that a client has pipelined behind one whose
// connection is reset do not reach the service.
func TestNothingPassesBehindAReset(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_reset", `{"match":{"path":"/hit/*"}}`})
	w.start()
	const plain = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
	w.sends(plain + getHit + plain)
	assert.Equal(t, plain, string((<-w.out).Data))
	go func() {
		w.answers("HTTP/1.1 204 No Content\r\n\r\n")
		w.sends(plain)
		w.hangsUp()
	}()
	assert.Equal(t, "HTTP/1.1 204 No Content\r\n\r\n", untilEnd(w.sent))
	assert.Empty(t, untilEnd(w.out))
	assert.Equal(t, Counts{Seen: 2, Selected: 1, Injected: 1, Unmarked: 1}, w.counts())
}

// TestResetAfterWaitsForTheWholeRequest: the service has all of it before the
// connection is reset.
func TestResetAfterWaitsForTheWholeRequest(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_reset", `{"when":"after"}`})
	w.start()
	const head = "POST /hit/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
	w.sends(head + "he")
	require.Equal(t, head+"he", string((<-w.out).Data))
	require.True(t, w.holdsBack())
	require.True(t, w.holdsBack(), "what came before has been looked at")
	assert.Zero(t, w.counts().Injected, "not yet")
	w.sends("llo")
	require.Equal(t, "llo", string((<-w.out).Data))
	assert.Empty(t, untilEnd(w.sent))
	assert.Equal(t, uint64(1), w.counts().Injected)
	w.hangsUp()
	untilEnd(w.out)
}

// TestFaultOfAResponseThatDoesNotGoOut does not take place: another toxic has reset the
// connection before.
func TestFaultOfAResponseThatDoesNotGoOut(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_latency", `{"latency":1}`},
		toxicSpec{"http_reset", `{"when":"after"}`})
	w.start()
	w.sends(getHit)
	<-w.out
	assert.Empty(t, untilEnd(w.sent))
	w.hangsUp()
	untilEnd(w.out)
	assert.Equal(t, Counts{Seen: 1, Selected: 1}, w.counts())
}

// TestConnectionThatEndsWithAnAnswer ends when its request is whole, whatever the
// client sends behind it.
func TestConnectionThatEndsWithAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_status", `{"match":{"path":"/hit/*"}}`})
	w.start()
	const post = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
	w.sends("POST /hit/1" + post + "he")
	require.Contains(t, string((<-w.sent).Data), "HTTP/1.1 503 ")
	done := make(chan struct{})
	go func() {
		untilEnd(w.out) // the service takes what comes
		close(done)
	}()
	w.sends("llo" + "GET /a HTTP/1.1\r\nHost: a\r\n\r\n" + "POST /b" + post + "he")
	select {
	case chunk := <-w.sent:
		assert.Nil(t, chunk, "the end")
	case <-time.After(time.Minute):
		assert.Fail(t, "the connection does not end")
	}
	w.hangsUp()
	<-done
}

// TestSwitchingProtocolsIsAResponse: the last one of its connection, with the mark.
func TestSwitchingProtocolsIsAResponse(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_header", `{"on":"response","set":{"X-A":"b"}}`})
	w.start()
	w.sends(getHit)
	<-w.out
	w.answers("HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n")
	assert.Equal(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nX-A: b\r\n"+
		"X-Toxic: http_header; mode=response; name=x\r\n\r\n", string((<-w.sent).Data))
	w.answers("GET")
	assert.Equal(t, "GET", string((<-w.sent).Data))
	w.sends("GET")
	assert.Equal(t, "GET", string((<-w.out).Data))
	w.stop()
	assert.Equal(t, Counts{Seen: 1, Selected: 1, Injected: 1, Marked: 1, PassedThrough: 1}, w.counts())
}
