package join_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// event is one thing that reaches a store.
type event func(w *world)

// traffic is the events of a few traces: what the load does, in its order, and
// what the services report, in any order.
type traffic struct {
	load  [][]event // per trace
	spans []span.Record
	sent  int
}

// drawTraffic draws traces with attempts of all fates and spans that continue,
// restart, reparent, get lost or come twice.
func drawTraffic(t *rapid.T) traffic {
	var tr traffic
	fates := []func(*span.Attempt){
		func(*span.Attempt) {}, unsampled, reset, sentTwice, aborted, failed, toGateway,
	}
	for n := range uint64(rapid.IntRange(1, 4).Draw(t, "traces")) {
		id := n + 1
		load := []event{func(w *world) { w.Open(traceID(id), w.now) }}
		for s := range byte(rapid.IntRange(1, 3).Draw(t, "attempts")) {
			fate := rapid.SampledFrom(fates).Draw(t, "fate")
			attempt := s + 1
			load = append(load, func(w *world) { w.Attempt(w.attempt(id, attempt, fate), w.now) })
			tr.sent++
			base := 10 * attempt
			reports := [][]span.Record{
				nil,
				{server(id, base, attempt)},
				{server(id, base, attempt), server(id, base+1, attempt)},
				{claiming(server(50+id, base, 0), id, attempt)},
				{claiming(server(id, base, 90), id, attempt)},
				{server(id, base, 99)},
				{server(id, attempt, 90)},
				{record(span.KindClient, descriptor("proxy"), id, base, attempt), server(id, base+1, base)},
				{
					claiming(server(id, base, attempt), id, attempt),
					record(span.KindClient, descriptor("gateway"), id, base+1, base),
					claiming(server(id, base+2, base+1), id, attempt),
				},
				{record(span.KindInternal, descriptor("gateway"), id, base, attempt)},
				{claiming(server(id, base, attempt), id+1, 1)},
				{claiming(record(span.KindServer, descriptor("stock"), id, base, 99), id, attempt)},
				{server(id, base, attempt), claiming(record(span.KindServer, descriptor("stock"), id, base+1, base), id, attempt)},
				{record(span.KindConsumer, descriptor("stock"), id, base, attempt)},
				{server(50+id, base, 0)},
			}
			tr.spans = append(tr.spans, rapid.SampledFrom(reports).Draw(t, "reports")...)
		}
		tr.load = append(tr.load, append(load, func(w *world) { w.Close(traceID(id), w.now) }))
	}
	return tr
}

// play feeds the traffic to a new store, in an order that pick decides, all
// before the first trace can settle, and returns the verdicts.
func (tr traffic) play(t require.TestingT, pick func(n int) int, batch func() int, again []span.Record) map[string]string {
	w := newWorld(join.Config{})
	load := make([][]event, len(tr.load))
	copy(load, tr.load)
	// A span cannot come before its trace was opened: that is when it is sent.
	for i := range load {
		load[i][0](w)
		load[i] = load[i][1:]
	}
	spans := slices.Concat(tr.spans, again)
	for left := true; left; {
		left = false
		if len(spans) > 0 {
			left = true
			var b []span.Record
			for range min(batch(), len(spans)) {
				i := pick(len(spans))
				b = append(b, spans[i])
				spans = slices.Delete(spans, i, i+1)
			}
			w.receive(b...)
		}
		i := pick(len(load))
		for k := range load {
			if at := (i + k) % len(load); len(load[at]) > 0 {
				load[at][0](w)
				load[at] = load[at][1:]
				left = true
				break
			}
		}
	}
	out := make(map[string]string)
	for range 25 {
		for _, settled := range w.after(linger) {
			for _, r := range verdict.NewJudge(verdict.Options{}).Decide(settled).Results {
				key := fmt.Sprint(r.Attempt.TraceID, r.Attempt.SpanID)
				require.NotContains(t, out, key)
				out[key] = fmt.Sprint(r.Verdict, r.Via, r.Inferred, r.Explained, r.RecordedUnsampled)
			}
		}
	}
	require.Equal(t, 0, w.Stats().Open)
	return out
}

func TestOrderBatchesRedeliveryAndInterleavingNeverChangeAVerdict(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := drawTraffic(t)
		first := func(int) int { return 0 }
		one := func() int { return 1 }
		want := tr.play(t, first, one, nil)
		require.Len(t, want, tr.sent, "attempts in, verdicts out")
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		cut := func() int { return rapid.IntRange(1, 4).Draw(t, "batch") }
		var again []span.Record
		if len(tr.spans) > 0 {
			again = rapid.SliceOfN(rapid.SampledFrom(tr.spans), 0, 5).Draw(t, "redelivered")
		}
		require.Equal(t, want, tr.play(t, pick, cut, again))
	})
}

// TestConcurrentSendersLoseNothing lets the load, two receivers and the
// settling work at the same time: every attempt gets its verdict, once.
func TestConcurrentSendersLoseNothing(t *testing.T) {
	t.Parallel()
	const vus, each = 4, 500
	s := join.New(join.Config{Linger: time.Millisecond, Settle: 30 * time.Second, MaxTraces: vus * each})
	w := &world{Store: s, now: time.Now()}
	spans := make(chan span.Record, 64)
	var senders, receivers sync.WaitGroup
	for vu := range uint64(vus) {
		senders.Go(func() {
			for n := range uint64(each) {
				id := 1 + vu*each + n
				s.Open(traceID(id), time.Now())
				spans <- server(id, 10, 1)
				spans <- server(id, 10, 1)
				s.Attempt(w.attempt(id, 1), time.Now())
				s.Close(traceID(id), time.Now())
			}
		})
	}
	for range 2 {
		receivers.Go(func() {
			for r := range spans {
				s.Spans([]span.Record{r}, time.Now())
			}
		})
	}
	done := make(chan struct{})
	got := make(map[string]int)
	var settling sync.WaitGroup
	judge := func(settled []*join.Trace) {
		for _, tr := range settled {
			for _, r := range verdict.NewJudge(verdict.Options{}).Decide(tr).Results {
				got[r.Verdict.String()]++
			}
		}
	}
	settling.Go(func() {
		for {
			s.Settle(time.Now(), judge)
			_ = s.Due()
			select {
			case <-done:
				return
			default:
			}
		}
	})
	senders.Wait()
	close(spans)
	receivers.Wait()
	close(done)
	settling.Wait()
	require.Equal(t, 0, s.Due())
	judge(s.Drain("the end", time.Now()))
	require.Equal(t, map[string]int{"continued": vus * each}, got)
	stats := s.Stats()
	require.Equal(t, uint64(2*vus*each), stats.Spans)
	require.Equal(t, uint64(vus*each), stats.Redelivered+stats.Late)
	require.Equal(t, uint64(0), stats.Foreign)
}
