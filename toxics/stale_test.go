package toxics

import (
	"testing"
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
