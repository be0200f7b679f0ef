package join_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

const (
	linger = 500 * time.Millisecond
	settle = 10 * time.Second
)

// settles asks the store once per linger until a trace settles, and says how
// long that took.
func (w *world) settles(t *testing.T) (time.Duration, *join.Trace) {
	t.Helper()
	began := w.now
	for range 100 {
		if out := w.after(linger); len(out) > 0 {
			require.Len(t, out, 1)
			return w.now.Sub(began), out[0]
		}
	}
	t.Fatal("the trace never settled")
	return 0, nil
}

func TestATraceSettlesWhenEverythingDueHasArrived(t *testing.T) {
	t.Parallel()
	client := descriptor("gateway")
	for name, c := range map[string]struct {
		change []func(*span.Attempt)
		spans  []span.Record
		want   join.Reason
		after  time.Duration
		due    int
	}{
		"its SERVER span came":     {nil, []span.Record{server(1, 10, 1)}, join.ReasonComplete, linger, 0},
		"nothing came":             {nil, nil, join.ReasonTimeout, settle, 1},
		"nothing is due":           {[]func(*span.Attempt){aborted}, nil, join.ReasonComplete, linger, 0},
		"a reset request may come": {[]func(*span.Attempt){reset}, nil, join.ReasonTimeout, settle, 1},
		"a reset request came": {
			[]func(*span.Attempt){reset}, []span.Record{server(1, 10, 1)}, join.ReasonComplete, linger, 0,
		},
		"sent twice, one came": {
			[]func(*span.Attempt){sentTwice}, []span.Record{server(1, 10, 1)}, join.ReasonTimeout, settle, 1,
		},
		"sent twice, both came": {
			[]func(*span.Attempt){sentTwice},
			[]span.Record{server(1, 10, 1), server(1, 11, 1)},
			join.ReasonComplete, linger, 0,
		},
		"aborted, and sent once before": {
			[]func(*span.Attempt){aborted, sentTwice}, nil, join.ReasonTimeout, settle, 1,
		},
		"aborted, sent once before, and that came": {
			[]func(*span.Attempt){aborted, sentTwice},
			[]span.Record{server(1, 10, 1)},
			join.ReasonComplete, linger, 0,
		},
		"an unsampled request may be recorded, but owes nothing": {
			[]func(*span.Attempt){unsampled}, nil, join.ReasonTimeout, settle, 0,
		},
		"an INTERNAL span below the attempt is not its SERVER span": {
			nil, []span.Record{record(span.KindInternal, client, 1, 10, 1)}, join.ReasonTimeout, settle, 1,
		},
		"a CONSUMER span below the attempt neither": {
			nil, []span.Record{record(span.KindConsumer, client, 1, 10, 1)}, join.ReasonTimeout, settle, 1,
		},
		"a SERVER span below a proxy's CLIENT span": {
			nil,
			[]span.Record{record(span.KindClient, client, 1, 10, 1), server(1, 11, 10)},
			join.ReasonComplete, linger, 0,
		},
		"the SERVER span's parent has not come": {
			nil, []span.Record{server(1, 10, 1), server(1, 12, 99)}, join.ReasonTimeout, settle, 1,
		},
		"a SERVER span with the attempt's own id": {
			nil, []span.Record{server(1, 1, 90)}, join.ReasonComplete, linger, 0,
		},
		"a SERVER span below the attempt that claims another": {
			nil, []span.Record{claiming(server(1, 10, 1), 2, 1)}, join.ReasonTimeout, settle, 1,
		},
		"a claim of a service that nobody knows may be of one behind a proxy": {
			nil, []span.Record{claiming(server(7, 10, 0), 1, 1)}, join.ReasonTimeout, settle, 1,
		},
		"a claim of the service that was called": {
			[]func(*span.Attempt){toGateway},
			[]span.Record{claiming(server(7, 10, 0), 1, 1)},
			join.ReasonComplete, linger, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, early := range []bool{false, true} {
				w := newWorld(join.Config{})
				w.Open(traceID(1), w.now)
				if early { // spans before the record of their attempt
					w.receive(c.spans...)
				}
				w.Attempt(w.attempt(1, 1, c.change...), w.now)
				if !early {
					w.receive(c.spans...)
				}
				require.Equal(t, 1, w.Due(), "an operation is open")
				w.Close(traceID(1), w.now)
				require.Equal(t, c.due, w.Due())
				after, trace := w.settles(t)
				require.Equal(t, c.want, trace.Reason)
				require.Equal(t, c.after, after)
				require.Equal(t, after, trace.SettleTime)
				require.Len(t, trace.Attempts, 1)
				require.Equal(t, len(c.spans), len(trace.Spans)+len(trace.Claimed))
			}
		})
	}
}

func TestTheServiceLearnedFromOtherAttemptsSettlesAClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.receive(server(1, 10, 1))
	_, trace := w.settles(t)
	require.Equal(t, join.ReasonComplete, trace.Reason)
	w.send(2, 1)
	w.receive(claiming(server(7, 10, 0), 2, 1))
	after, trace := w.settles(t)
	require.Equal(t, linger, after)
	require.Len(t, trace.Claimed, 1)
}

func TestACallOfAKindThatHadAnAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	call, other := descriptor("gateway"), descriptor("gateway")
	w.send(1, 1)
	w.receive(server(1, 10, 1), record(span.KindClient, call, 1, 11, 10), server(1, 12, 11))
	_, _ = w.settles(t)
	w.send(2, 1)
	w.receive(server(2, 10, 1), record(span.KindClient, call, 2, 11, 10))
	require.Equal(t, 1, w.Due())
	w.receive(server(2, 12, 11))
	require.Equal(t, 0, w.Due())
	_, _ = w.settles(t)
	w.send(3, 1)
	w.receive(server(3, 10, 1), record(span.KindClient, other, 3, 11, 10))
	require.Equal(t, 0, w.Due(), "nobody ever answered such a call")
}

// TestTheSpanThatMadeACallIsWaitedFor: it may come in a later batch than the call,
// and without it the next service is not connected.
func TestTheSpanThatMadeACallIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.receive(server(1, 10, 1), record(span.KindInternal, descriptor("gateway"), 1, 12, 11),
		record(span.KindClient, descriptor("gateway"), 1, 13, 12),
		record(span.KindServer, descriptor("stock"), 1, 14, 13))
	require.Equal(t, 1, w.Due())
	w.receive(record(span.KindInternal, descriptor("gateway"), 1, 11, 10))
	require.Equal(t, 0, w.Due())
	_, _ = w.settles(t)
	w.send(2, 1)
	ours := &span.Descriptor{Service: "k6", Scope: span.LoadScope}
	w.receive(server(2, 10, 1), record(span.KindInternal, ours, 2, 20, 21))
	require.Equal(t, 0, w.Due(), "what is above the load's own spans is not waited for")
}

// TestEveryCallIsWaitedForUntilTheKindsAreKnown: services send their spans at
// times of their own, and the first traces settle before anything is known.
func TestEveryCallIsWaitedForUntilTheKindsAreKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{Learning: time.Minute})
	query := &span.Descriptor{Service: "gateway", Name: "SELECT"}
	w.send(1, 1)
	w.receive(server(1, 10, 1), record(span.KindClient, descriptor("gateway"), 1, 11, 10),
		record(span.KindClient, query, 1, 13, 10))
	require.Equal(t, 1, w.Due())
	w.receive(server(1, 12, 11))
	require.Equal(t, 0, w.Due(), "a query has no SERVER span")
	_, _ = w.settles(t)
	w.now = w.now.Add(time.Minute)
	w.send(2, 1)
	w.receive(server(2, 10, 1), record(span.KindClient, descriptor("gateway"), 2, 11, 10))
	require.Equal(t, 0, w.Due(), "nobody ever answered such a call")
}

// TestTheServiceBehindAProxyIsWaitedFor: some proxies report no CLIENT span.
func TestTheServiceBehindAProxyIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	proxy, own, shop := descriptor("proxy"), descriptor("proxy"), descriptor("shop")
	w.send(1, 1)
	w.receive(record(span.KindServer, proxy, 1, 10, 1), record(span.KindServer, shop, 1, 11, 10))
	_, _ = w.settles(t)
	w.send(2, 1)
	w.receive(record(span.KindServer, proxy, 2, 10, 1))
	require.Equal(t, 1, w.Due())
	w.receive(record(span.KindServer, shop, 2, 11, 10))
	require.Equal(t, 0, w.Due())
	_, _ = w.settles(t)
	w.send(3, 1)
	w.receive(record(span.KindServer, own, 3, 10, 1))
	require.Equal(t, 0, w.Due(), "such a request was never passed on")
	_, _ = w.settles(t)
	w.send(4, 1)
	w.receive(record(span.KindServer, shop, 4, 10, 1), record(span.KindServer, shop, 4, 11, 10))
	_, _ = w.settles(t)
	w.send(5, 1)
	w.receive(record(span.KindServer, shop, 5, 10, 1))
	require.Equal(t, 0, w.Due(), "a SERVER span within one service is no hop")
}

func TestAnExpectedServiceIsWaitedForWhenTheAttemptSucceeded(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{Expect: []string{"gateway", "stock"}})
	w.send(1, 1)
	w.receive(server(1, 10, 1))
	require.Equal(t, 1, w.Due())
	w.receive(record(span.KindServer, descriptor("stock"), 1, 12, 10))
	require.Equal(t, 0, w.Due())
	w.send(2, 1, failed)
	w.receive(server(2, 10, 1))
	require.Equal(t, 0, w.Due(), "a failing gateway calls nobody")
}

func TestNewSpansRenewTheLinger(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.receive(server(1, 10, 1))
	for n := range byte(5) {
		require.Empty(t, w.after(linger-time.Millisecond))
		w.receive(record(span.KindInternal, descriptor("gateway"), 1, 20+n, 10))
	}
	_, trace := w.settles(t)
	require.Len(t, trace.Spans, 6)
}

func TestTheSourcesWordEndsTheWait(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.Conclude(traceID(1), w.now)
	require.Equal(t, 0, w.Due())
	after, trace := w.settles(t)
	require.Equal(t, linger, after)
	require.Equal(t, join.ReasonTimeout, trace.Reason)

	w.send(2, 1)
	w.MarkPartial(traceID(2), "status 500", w.now)
	require.Equal(t, 0, w.Due())
	_, trace = w.settles(t)
	require.Equal(t, join.ReasonPartial, trace.Reason)
	require.Equal(t, "status 500", trace.Detail)

	w.Open(traceID(3), w.now)
	w.Attempt(w.attempt(3, 1), w.now)
	w.Conclude(traceID(3), w.now)
	require.Equal(t, 1, w.Due(), "its operation goes on")
	w.Close(traceID(3), w.now)
	require.Equal(t, 1, w.Due(), "what was said before it ended does not count")
	w.Conclude(traceID(3), w.now.Add(-1))
	require.Equal(t, 1, w.Due(), "nor does what was said of the time before")
}

func TestDrainGivesBackTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1)
	w.receive(server(1, 10, 1))
	w.send(2, 1)
	w.Open(traceID(3), w.now)
	w.Attempt(w.attempt(3, 1), w.now)
	w.send(4, 1)
	w.MarkPartial(traceID(4), "PARTIAL", w.now)
	got := make(map[uint64]string)
	for _, tr := range w.Drain("Ctrl+C", w.now) {
		got[uint64(tr.ID[15])] = tr.Detail
		require.Equal(t, map[uint64]join.Reason{
			1: join.ReasonComplete, 2: join.ReasonInterrupted,
			3: join.ReasonInterrupted, 4: join.ReasonPartial,
		}[uint64(tr.ID[15])], tr.Reason)
	}
	require.Equal(t, map[uint64]string{1: "", 2: "Ctrl+C", 3: "Ctrl+C", 4: "PARTIAL"}, got)
	require.Equal(t, 0, w.Stats().Open)
	require.Empty(t, w.Drain("again", w.now))
}
