package join_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
)

// What a source said before an attempt was recorded says nothing about it.
func TestAnAttemptAfterTheSourcesWordIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.receive(server(1, 10, 1))
	w.Conclude(traceID(1), w.now)
	w.Attempt(w.attempt(1, 2), w.now)
	require.Equal(t, 1, w.Due())
	require.Empty(t, w.after(2*time.Second), "the second attempt may still be answered")
	w.receive(server(1, 11, 2))
	settled := w.after(time.Second)
	require.Len(t, settled, 1)
	require.Equal(t, join.ReasonComplete, settled[0].Reason)
}

// A redelivered span is the same in every field that tells spans apart. Two
// that share their ids, and began at different times, are two spans.
func TestSpansThatShareTheirIdsAreToldApartByTheirStart(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	first, second := server(1, 10, 1), server(1, 10, 1)
	second.Start++
	w.receive(first, second, first)
	settled := w.after(time.Second)
	require.Len(t, settled, 1)
	require.Len(t, settled[0].Spans, 2)
	require.Equal(t, 1, settled[0].Redelivered)
}
