package join_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func TestFinishIsAttemptAndClose(t *testing.T) {
	t.Parallel()
	settled := func(end func(*world)) []*join.Trace {
		w := newWorld(join.Config{Settle: time.Second, Linger: 100 * time.Millisecond})
		w.Open(traceID(1), w.now)
		w.receive(record(span.KindServer, descriptor("shop"), 1, 2, 1))
		assert.Empty(t, w.after(10*time.Second), "its operation is under way")
		end(w)
		assert.Empty(t, w.after(0))
		out := w.after(time.Second)
		require.Len(t, out, 1)
		assert.Equal(t, uint64(1), w.Stats().Attempts)
		return out
	}
	want := settled(func(w *world) {
		w.Attempt(w.attempt(1, 1), w.now)
		w.Close(traceID(1), w.now)
	})
	got := settled(func(w *world) { w.Finish(w.attempt(1, 1), w.now) })
	assert.Equal(t, want[0].Attempts[0].SpanID, got[0].Attempts[0].SpanID)
	assert.Equal(t, want[0].Spans, got[0].Spans)
	assert.Equal(t, want[0].Reason, got[0].Reason)
	assert.Equal(t, join.ReasonComplete, got[0].Reason)
}

func TestFinishOfAGivenTraceForgetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{MaxTraces: 1})
	w.Open(traceID(1), w.now)
	w.Open(traceID(65), w.now) // of the same shard
	evicted := w.after(0)
	require.Len(t, evicted, 1)
	w.Finish(w.attempt(1, 1), w.now)
	late := w.after(0)
	require.Len(t, late, 1)
	assert.Equal(t, join.ReasonEvicted, late[0].Reason)
	assert.Len(t, late[0].Attempts, 1)
	w.Open(traceID(1), w.now)
	assert.Len(t, w.after(0), 1, "it is a new trace now, and needs room")
}

func TestAWholeTraceSettlesByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.Whole(w.attempt(1, 1), "nobody listens")
	assert.Zero(t, w.Due())
	assert.Zero(t, w.Stats().Open)
	out := w.after(0)
	require.Len(t, out, 1)
	assert.Equal(t, join.ReasonPartial, out[0].Reason)
	assert.Equal(t, "nobody listens", out[0].Detail)
	assert.Equal(t, traceID(1), out[0].ID)
	assert.Len(t, out[0].Attempts, 1)
	assert.Zero(t, out[0].SettleTime)
	assert.Equal(t, uint64(1), w.Stats().Settled)
	assert.Equal(t, uint64(1), w.Stats().Attempts)
}
