package toxics

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	plainGet = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
	answered = "HTTP/1.1 204 No Content\r\n\r\n"
	aborted  = "HTTP/1.1 503 Service Unavailable\r\nX-Toxic: http_status; mode=abort; name=x\r\n"
	keptOpen = aborted + "Content-Length: 0\r\n\r\n"
	lastOne  = aborted + "Connection: close\r\nContent-Length: 0\r\n\r\n"
)

// unused makes a wire whose service's end counts as unused after so much.
func unused(t *testing.T, after time.Duration) *wire {
	t.Helper()
	w := newWire(t, toxicSpec{"http_status", `{"match":{"path":"/hit/*"}}`})
	half, ok := w.responses.State.(*responses)
	require.True(t, ok)
	half.unused = after
	w.start()
	return w
}

// TestAnAbortedRequestEndsAConnectionThatTheServiceHasNotUsed for some time: it closes
// idle ones, which would break the next request.
func TestAnAbortedRequestEndsAConnectionThatTheServiceHasNotUsed(t *testing.T) {
	t.Parallel()
	w := unused(t, 0)
	w.sends(plainGet)
	<-w.out
	w.answers(answered)
	assert.Equal(t, answered, string((<-w.sent).Data))
	w.sends(getHit)
	assert.Equal(t, lastOne, untilEnd(w.sent))
	w.hangsUp()
	assert.Empty(t, untilEnd(w.out))
	assert.Equal(t, Counts{Seen: 2, Selected: 1, Injected: 1, Marked: 1}, w.counts())
}

// TestAConnectionThatTheServiceUsesGoesOn after aborted requests.
func TestAConnectionThatTheServiceUsesGoesOn(t *testing.T) {
	t.Parallel()
	w := unused(t, time.Hour)
	for range 2 {
		w.sends(getHit)
		assert.Equal(t, keptOpen, string((<-w.sent).Data))
		w.sends(plainGet)
		<-w.out
		w.answers(answered)
		assert.Equal(t, answered, string((<-w.sent).Data))
	}
	w.stop()
}

// TestRequestsBehindAnAbortedOneAreAnswered: they are on their way already.
func TestRequestsBehindAnAbortedOneAreAnswered(t *testing.T) {
	t.Parallel()
	w := unused(t, 0)
	w.sends(getHit + plainGet)
	<-w.out
	assert.Equal(t, keptOpen, string((<-w.sent).Data))
	w.answers(answered)
	assert.Equal(t, answered, string((<-w.sent).Data))
	w.sends(getHit + getHit)
	assert.Equal(t, keptOpen+lastOne, untilEnd(w.sent))
	w.hangsUp()
	assert.Empty(t, untilEnd(w.out))
}

// TestADelayedResponseSaysThatItsConnectionEnds: the service has closed its end as idle
// during the delay, and a client that does not know would use the connection again.
func TestADelayedResponseSaysThatItsConnectionEnds(t *testing.T) {
	t.Parallel()
	const (
		mark = "X-Toxic: http_latency; mode=response; name=x\r\n"
		head = "HTTP/1.1 200 OK\r\n"
		body = "Content-Length: 5\r\n"
	)
	for name, c := range map[string]struct {
		closes bool
		pieces []string
		want   string
	}{
		"it goes on": {false, []string{head + body + "\r\nhello"}, head + body + mark + "\r\nhello"},
		"it is closed": {
			true,
			[]string{head + body + "Connection: keep-alive\r\n\r\nhello"},
			head + body + "Connection: close\r\n" + mark + "\r\nhello",
		},
		"it is closed behind a body in pieces": {
			true,
			[]string{head + body + "\r\nhe", "l", "lo"},
			head + body + "Connection: close\r\n" + mark + "\r\nhello",
		},
		"the body ends with it": {
			true, []string{head + "\r\nhello"}, head + mark + "\r\nhello",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, toxicSpec{"http_latency", `{"latency":5000}`})
				w.start()
				w.sends(getHit)
				<-w.out
				go func() {
					for _, piece := range c.pieces {
						w.answers(piece)
					}
					if c.closes {
						close(w.back)
					}
				}()
				assert.Equal(t, c.want, w.reads(len(c.want)))
				if !c.closes {
					close(w.back)
				}
				assert.Empty(t, untilEnd(w.sent))
				close(w.in)
				assert.Empty(t, untilEnd(w.out))
			})
		})
	}
}
