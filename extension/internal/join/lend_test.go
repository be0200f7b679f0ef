package join_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// TestLendingChangesNothing plays the same operations with traces that are kept,
// and with traces that are lent.
func TestLendingChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t)
		config := join.Config{
			OpenLimit: time.Minute, MaxTraces: rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "most"),
			MaxSpans: rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "spans"),
		}
		kept := &sender{world: newWorld(config)}
		kept.keep = true
		lent := &sender{world: newWorld(config)}
		kept.play(steps)
		lent.play(steps)
		require.Equal(t, kept.described(t), lent.described(t))
		require.Equal(t, kept.contents(), lent.contents())
		require.Equal(t, kept.Stats(), lent.Stats())
	})
}

// Nothing of one trace is left for the next.
func TestALentTraceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(64, 1)
	w.receive(server(64, 10, 1), server(64, 10, 1), claiming(server(7, 11, 0), 64, 1))
	w.MarkPartial(traceID(64), "a test", w.now)
	require.Len(t, w.after(settle), 1)
	w.Open(traceID(128), w.now)
	w.Open(traceID(192), w.now)
	w.Close(traceID(128), w.now)
	w.Close(traceID(192), w.now)
	settled := w.after(settle)
	require.Len(t, settled, 2)
	for _, tr := range settled {
		require.Empty(t, tr.Attempts)
		require.Empty(t, tr.Spans)
		require.Empty(t, tr.Claimed)
		require.Empty(t, tr.Detail)
		require.Zero(t, tr.Redelivered)
		require.NotZero(t, tr.ID)
	}
	require.NotEqual(t, settled[0].ID, settled[1].ID)
}

// An attempt that settled by itself leaves nothing for those after it.
func TestASingleAttemptIsRecycledToo(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.Whole(w.attempt(1, 1), "nobody listens")
	settled := w.Advance(w.now)
	require.Len(t, settled, 1)
	require.Equal(t, []span.Attempt{w.attempt(1, 1)}, settled[0].Attempts)
	require.Equal(t, "nobody listens", settled[0].Detail)
	w.Recycle(settled)
	w.Recycle(nil)
	require.Zero(t, *settled[0])
	w.Whole(w.attempt(65, 2), "") // of the same shard
	again := w.Advance(w.now)
	require.Same(t, settled[0], again[0])
	require.Equal(t, []span.Attempt{w.attempt(65, 2)}, again[0].Attempts)
	require.Empty(t, again[0].Detail)
	w.send(1, 1)
	require.Equal(t, 1, w.Due())
}

func TestATraceCostsNoAllocationInSteadyState(t *testing.T) { //nolint:paralleltest // it counts the process's allocations
	const traces = 1000
	w := newWorld(join.Config{})
	labels, d := &span.Labels{Name: "x", Method: "GET"}, descriptor("gateway")
	spans, from := make([]span.Record, 2), uint64(0)
	round := func() {
		for n := range uint64(traces) {
			id := from + n
			w.Open(traceID(id), w.now)
			w.Finish(span.Attempt{TraceID: traceID(id), SpanID: spanID(1), Sampled: true, Labels: labels}, w.now)
			spans[0] = record(span.KindServer, d, id, 10, 1)
			spans[1] = record(span.KindServer, d, id, 11, 10)
			w.Spans(spans, w.now)
		}
		from += traces
		w.now = w.now.Add(linger)
		settled := 0
		w.Settle(w.now, func(part []*join.Trace) { settled += len(part) })
		require.Equal(t, traces, settled)
	}
	for range 10 {
		round()
	}
	perTrace := testing.AllocsPerRun(10, round) / traces
	require.Less(t, perTrace, 0.1)
}

// TestTracesThatStayOpenHoldOnlyThemselves lets some traces stay open while others
// come and go between them, slowly: what is kept for traces to come is let go.
func TestTracesThatStayOpenHoldOnlyThemselves(t *testing.T) { //nolint:paralleltest // it measures the process's heap
	const rounds, settling, limit, perID = 10_000, 3, 600, 24
	labels, d := &span.Labels{Name: "x", Method: "GET"}, descriptor("gateway")
	before := heap()
	w := newWorld(join.Config{OpenLimit: time.Hour, MaxTraces: 2 * rounds})
	n := uint64(0)
	one := func() {
		n++
		w.Open(traceID(n), w.now)
		a := w.attempt(n, 1)
		a.Labels = labels
		w.Attempt(a, w.now)
		w.receive(record(span.KindServer, d, n, 10, 1), record(span.KindServer, d, n, 11, 10))
	}
	for range rounds {
		one()
		for range settling {
			one()
			w.Close(traceID(n), w.now)
		}
		w.now = w.now.Add(linger / 4)
		w.Settle(w.now, func([]*join.Trace) {})
	}
	perTrace := (heap() - before) / rounds
	t.Logf("%d bytes per trace that stays open", perTrace)
	require.InDelta(t, rounds, w.Stats().Open, 64*settling)
	require.LessOrEqual(t, perTrace, uint64(limit+settling*perID))
}
