package toxics

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestAReplacedUpgradeEndsTheConnection: the service speaks another protocol from there
// on, and the client does not.
func TestAReplacedUpgradeEndsTheConnection(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_status", `{"mode":"replace"}`})
	w.start()
	w.sends("GET /hit/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: b\r\n\r\n")
	<-w.out
	w.answers("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: b\r\n\r\n")
	const replaced = "HTTP/1.1 503 Service Unavailable\r\n" +
		"X-Toxic: http_status; mode=replace; name=x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	within(t, func() { assert.Equal(t, replaced, w.reads(len(replaced)+1)) })
	w.hangsUp()
	assert.Empty(t, untilEnd(w.out))
}

// TestNothingOfAnAbortedRequestPasses, even if the end of its body cannot be told. Its
// answer goes out, and the connection ends.
func TestNothingOfAnAbortedRequestPasses(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_status", `{"match":{"path":"/hit/*"}}`})
	w.start()
	go func() {
		w.sends("POST /hit/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + getHit)
		w.sends(getHit)
		close(w.in)
	}()
	assert.Equal(t, keptOpen, string((<-w.sent).Data))
	within(t, func() { assert.Empty(t, untilEnd(w.out)) })
	close(w.back) // as toxiproxy has closed the service's end
	assert.Empty(t, untilEnd(w.sent))
	assert.Equal(t, Counts{Seen: 1, Selected: 1, Injected: 1, Marked: 1}, w.counts())
}

// TestAFullQueueIsWaitedFor without looking at it again and again.
func TestAFullQueueIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLink(NewHub(t.Name()))
	l.hub.Close()
	for pushed(l) {
		continue
	}
	r := newRequests(l)
	r.held, r.until = &exchange{chosen: true}, time.Now().Add(-time.Second)
	r.admit()
	assert.NotNil(t, r.held)
	assert.Nil(t, r.deadline(), "nothing wakes the half but room")
}

// TestAnOldClientIsToldThatItsConnectionGoesOn: ab for one waits for the end otherwise
// (RFC 9112 section C.2.2).
func TestAnOldClientIsToldThatItsConnectionGoesOn(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_status", `{}`})
	w.start()
	w.sends("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
	assert.Equal(t, aborted+"Connection: keep-alive\r\nContent-Length: 0\r\n\r\n",
		string((<-w.sent).Data))
	w.sends("GET / HTTP/1.0\r\n\r\n")
	assert.Equal(t, lastOne, untilEnd(w.sent))
	w.hangsUp()
	assert.Empty(t, untilEnd(w.out))
}

// TestAReplacedStreamIsTheLastOfItsConnection: it may go on for ever, and a request behind
// it would never be answered. The client is told, and hangs up.
func TestAReplacedStreamIsTheLastOfItsConnection(t *testing.T) {
	t.Parallel()
	const replaced = "HTTP/1.1 503 Service Unavailable\r\n" +
		"X-Toxic: http_status; mode=replace; name=x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	w := newWire(t, toxicSpec{"http_status", `{"mode":"replace"}`})
	w.start()
	w.sends(getHit)
	<-w.out
	w.answers("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n")
	assert.Equal(t, replaced, string((<-w.sent).Data))
	w.answers("5\r\nhello\r\n")
	w.hangsUp()
	assert.Empty(t, untilEnd(w.sent))
	assert.Empty(t, untilEnd(w.out))
}
