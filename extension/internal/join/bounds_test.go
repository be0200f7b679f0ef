package join_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func TestBeyondMaxTracesTheOldestSettleEarlyAndAreCounted(t *testing.T) {
	t.Parallel()
	const most, sent = 100, 1000
	w := newWorld(join.Config{MaxTraces: most})
	for n := range uint64(sent) {
		w.send(n, 1)
		require.LessOrEqual(t, w.Stats().Open, most+64)
	}
	s := w.Stats()
	require.Equal(t, sent, s.Open+int(s.Evicted))
	evicted := w.Advance(w.now)
	require.Len(t, evicted, int(s.Evicted))
	for _, tr := range evicted {
		require.Equal(t, join.ReasonEvicted, tr.Reason)
		require.Len(t, tr.Attempts, 1)
	}
	require.Len(t, w.after(settle), s.Open)
}

func TestAnAttemptOfAnEvictedTraceIsGivenBackAsEvicted(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{MaxTraces: 1})
	// Traces 0 and 64 share a shard; the SERVER span of 0 comes before its attempt.
	w.Open(traceID(0), w.now)
	w.receive(server(0, 10, 1))
	w.Open(traceID(64), w.now)
	w.Open(traceID(0), w.now)
	w.Attempt(w.attempt(0, 1), w.now)
	w.Attempt(w.attempt(0, 2), w.now)
	w.Close(traceID(0), w.now)
	w.Attempt(w.attempt(0, 3), w.now)
	w.Close(traceID(0), w.now)
	var got int
	for _, tr := range w.Advance(w.now) {
		require.Equal(t, join.ReasonEvicted, tr.Reason)
		require.Equal(t, traceID(0), tr.ID)
		got += len(tr.Attempts)
	}
	require.Equal(t, 3, got)
	w.send(0, 4) // nothing is left of it
	require.Equal(t, uint64(2), w.Stats().Evicted, "64 made room")
}

func TestAnOperationThatNeverEndsIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{OpenLimit: time.Minute})
	w.Open(traceID(1), w.now)
	w.Attempt(w.attempt(1, 1), w.now)
	require.Empty(t, w.after(time.Minute))
	require.Len(t, w.after(linger), 1)
	w.receive(server(1, 12, 2))
	w.Attempt(w.attempt(1, 2), w.now)
	out := w.after(0)
	require.Len(t, out, 1)
	require.Equal(t, join.ReasonPartial, out[0].Reason)
	require.Equal(t, "its operation was open for too long", out[0].Detail)
}

func TestATraceIsBoundedInSpansAndAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{MaxSpans: 3})
	w.Open(traceID(1), w.now)
	for n := range byte(8) {
		w.Attempt(w.attempt(1, 1+n), w.now)
	}
	for n := range byte(5) {
		w.receive(server(1, 10+n, 1))
	}
	w.Close(traceID(1), w.now)
	out := w.after(settle)
	require.Len(t, out, 3)
	require.Equal(t, join.ReasonEvicted, out[0].Reason)
	require.Equal(t, join.ReasonEvicted, out[1].Reason)
	require.Len(t, out[2].Attempts, 2)
	require.Len(t, out[2].Spans, 3)
	require.Equal(t, 2, out[2].Truncated)
	require.Equal(t, uint64(2), w.Stats().Truncated)
}

func TestEverySpanIsAccountedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.receive(server(1, 10, 1), server(1, 10, 1), server(5, 11, 1))
	w.receive(server(1, 10, 1), claiming(server(6, 12, 0), 1, 1))
	w.receive(record(span.KindClient, descriptor("x"), 1, 10, 1)) // Zipkin: one id, two kinds
	_, tr := w.settles(t)
	require.Len(t, tr.Spans, 2)
	require.Len(t, tr.Claimed, 1)
	require.Equal(t, 2, tr.Redelivered)
	w.receive(server(1, 13, 1))
	s := w.Stats()
	require.Equal(t, uint64(7), s.Spans)
	require.Equal(t, uint64(2), s.Redelivered)
	require.Equal(t, uint64(1), s.Foreign)
	require.Equal(t, uint64(1), s.Late)
	require.Equal(t, uint64(1), s.Settled)
	require.Equal(t, uint64(1), s.Attempts)
}

func TestASpanThatLeakedIntoAnotherTraceIsGivenToBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.send(2, 1)
	w.receive(server(1, 10, 1), claiming(server(1, 11, 1), 2, 1))
	for _, tr := range w.after(settle) {
		require.Len(t, tr.Spans, map[bool]int{true: 2, false: 0}[tr.ID == traceID(1)])
		require.Len(t, tr.Claimed, map[bool]int{true: 0, false: 1}[tr.ID == traceID(1)])
	}
	require.Equal(t, uint64(2), w.Stats().Settled)
}

func TestARootThatClaimsNobodyIsOfferedToAnAttemptThatItFits(t *testing.T) {
	t.Parallel()
	root := func(trace uint64, service, method, route string) span.Record {
		return record(span.KindServer,
			&span.Descriptor{Service: service, Method: method, Route: route}, trace, 10, 0)
	}
	fits := root(100, "gateway", "GET", "/items/{id}")
	for name, c := range map[string]struct {
		root span.Record
		want int
	}{
		"same service, method and route": {fits, 1},
		"another service":                {root(100, "stock", "GET", "/items/{id}"), 0},
		"another method":                 {root(100, "gateway", "PUT", "/items/{id}"), 0},
		"another route":                  {root(100, "gateway", "GET", "/carts/{id}"), 0},
		"a longer route":                 {root(100, "gateway", "GET", "/items/{id}/stock"), 0},
		"not a root":                     {record(span.KindServer, fits.Descriptor, 100, 10, 9), 0},
		"not a SERVER span":              {record(span.KindClient, fits.Descriptor, 100, 10, 0), 0},
		"of another load's attempt":      {claiming(fits, 200, 1), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(join.Config{})
			early := fits
			early.TraceID = traceID(101)
			w.receive(early) // came before the attempt was sent
			w.now = w.now.Add(time.Second)
			w.send(1, 1, toGateway)
			w.receive(c.root)
			w.send(2, 1, toGateway)
			got := 0
			for _, tr := range w.after(settle) {
				got += len(tr.Roots)
				require.Equal(t, join.ReasonTimeout, tr.Reason)
			}
			require.Equal(t, c.want, got, "one root for one attempt")
		})
	}
	t.Run("not when the service's spans carry the User-Agent", func(t *testing.T) {
		t.Parallel()
		w := newWorld(join.Config{})
		w.send(1, 1, toGateway)
		w.receive(claiming(server(1, 10, 1), 1, 1))
		_, _ = w.settles(t)
		w.send(2, 1, toGateway)
		w.receive(fits)
		_, tr := w.settles(t)
		require.Empty(t, tr.Roots)
	})
	t.Run("not when a span of the trace was lost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(join.Config{})
		w.send(2, 1, toGateway)
		w.receive(fits, record(span.KindClient, descriptor("gateway"), 2, 11, 77))
		_, tr := w.settles(t)
		require.Empty(t, tr.Roots)
	})
}

// TestWhoServesIsToldOfATraceThatLostASpan: of what others like its attempts got.
func TestWhoServesIsToldOfATraceThatLostASpan(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1, toGateway)
	w.receive(server(1, 10, 1))
	_, _ = w.settles(t)
	w.send(2, 1, toGateway)
	w.receive(record(span.KindServer, descriptor("stock"), 2, 11, 77))
	_, tr := w.settles(t)
	require.Equal(t, []join.Served{{Attempt: 0, Service: "gateway"}}, tr.Served)
	w.send(3, 1, toGateway)
	_, tr = w.settles(t)
	require.Empty(t, tr.Served, "no span was lost")
	w.send(4, 1, func(a *span.Attempt) { a.Labels = &span.Labels{Name: "another", Method: "GET"} })
	w.receive(record(span.KindServer, descriptor("stock"), 4, 11, 77))
	_, tr = w.settles(t)
	require.Empty(t, tr.Served, "nobody knows who serves this")
}

// TestEveryVersionOfAServiceIsToldOf: versions side by side serve one kind of request
// under names of their own, in whatever order they come. Of very many, none is told.
func TestEveryVersionOfAServiceIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	n := uint64(0)
	serve := func(service string) {
		n++
		w.send(n, 1, toGateway)
		w.receive(record(span.KindServer, descriptor(service), n, 10, 1))
		_, _ = w.settles(t)
	}
	lose := func() []join.Served {
		n++
		w.send(n, 1, toGateway)
		w.receive(record(span.KindServer, descriptor("stock"), n, 11, 77))
		_, tr := w.settles(t)
		return tr.Served
	}
	for range 2 {
		serve("gateway")
		serve("gateway v2")
	}
	require.Equal(t, []join.Served{
		{Attempt: 0, Service: "gateway"}, {Attempt: 0, Service: "gateway v2"},
	}, lose())
	for i := range 20 {
		serve(fmt.Sprint("gateway v", i))
	}
	require.Empty(t, lose())
}

// heap is the live heap in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAnOpenTraceTakesAtMost600Bytes(t *testing.T) { //nolint:paralleltest // it measures the process's heap
	const traces, limit = 50_000, 600
	labels := &span.Labels{Name: "x", Method: "GET"}
	d := descriptor("gateway")
	before := heap()
	w := newWorld(join.Config{MaxTraces: 2 * traces})
	for n := range uint64(traces) {
		w.Open(traceID(n), w.now)
		a := w.attempt(n, 1)
		a.Labels = labels
		w.Attempt(a, w.now)
		w.Close(traceID(n), w.now)
		w.receive(record(span.KindServer, d, n, 10, 1))
		w.receive(record(span.KindServer, d, n, 11, 10))
	}
	perTrace := (heap() - before) / traces
	require.Equal(t, traces, w.Stats().Open)
	t.Logf("%d bytes per open trace", perTrace)
	require.LessOrEqual(t, perTrace, uint64(limit))
}

// TestMemoryIsFlat lets one trace stay open while many come and go in its
// shard: what has settled must not be held.
func TestMemoryIsFlat(t *testing.T) { //nolint:paralleltest // it measures the process's heap
	w := newWorld(join.Config{OpenLimit: time.Hour})
	for n := range uint64(64) {
		w.Open(traceID(n), w.now) // one per shard
	}
	round := func(from uint64) {
		for n := range uint64(20_000) {
			w.send(from+n, 1)
			w.receive(server(from+n, 10, 1))
			if n%1000 == 0 {
				w.after(linger)
			}
		}
		w.after(linger)
		w.after(linger)
		require.Equal(t, 64, w.Stats().Open)
	}
	const traces = 20_000
	for n := range uint64(2) {
		round(1000 + n*traces)
	}
	before := heap()
	for n := range uint64(2) {
		round(1_000_000 + n*traces)
	}
	const slack = 2 * traces * 80 // the ids of settled traces are kept, bounded
	require.Less(t, heap(), before+slack)
}
