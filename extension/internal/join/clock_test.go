package join_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
)

// TestTracesOutliveAClockThatIsSet: who sets the wall clock forward by an hour has not
// waited for an hour.
func TestTracesOutliveAClockThatIsSet(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{Settle: settle, Linger: linger})
	w.now = time.Now()
	w.send(1, 1)
	w.now = setForward(w.now, time.Hour)
	require.Empty(t, w.after(time.Second))
	settled := w.after(settle)
	require.Len(t, settled, 1)
	require.Equal(t, join.ReasonTimeout, settled[0].Reason)
	require.Equal(t, settle+time.Second, settled[0].SettleTime)
}

// TestRestartedTracesAreFoundWhenTheClockWasSet: attempts say by the wall clock when they
// were sent.
func TestRestartedTracesAreFoundWhenTheClockWasSet(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{Settle: settle, Linger: linger})
	w.now = time.Now()
	w.receive(server(7, 10, 0)) // before the attempt was sent
	w.now = setForward(w.now.Add(time.Second), time.Hour)
	w.send(1, 1, toGateway)
	require.Empty(t, w.after(1))
	w.receive(server(9, 11, 0))
	settled := w.after(settle)
	require.Len(t, settled, 1)
	require.Len(t, settled[0].Roots, 1)
	require.Equal(t, traceID(9), settled[0].Roots[0].Record.TraceID)
}

// setForward changes what the wall clock says of a moment, and leaves the monotonic clock
// alone. The seconds of the one are above the 30 bits of its nanoseconds.
func setForward(now time.Time, by time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&now))
	*wall += uint64(by/time.Second) << 30
	return now
}
