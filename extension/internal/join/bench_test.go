package join_test

import (
	"testing"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// BenchmarkSettle takes whole traces of one attempt and two SERVER spans through
// the join, from opening to settling, and reports traces/s.
func BenchmarkSettle(b *testing.B) {
	const batch = 1024
	w := newWorld(join.Config{Linger: time.Millisecond})
	labels := &span.Labels{Name: "http://shop/items/7", Method: "GET"}
	gateway, stock := descriptor("gateway"), descriptor("stock")
	spans := make([]span.Record, 0, 2*batch)
	b.ReportAllocs()
	settled, n := 0, uint64(0)
	for b.Loop() {
		spans = spans[:0]
		for range batch {
			n++
			w.Open(traceID(n), w.now)
			w.Attempt(span.Attempt{
				TraceID: traceID(n), SpanID: spanID(1), Number: 1, Sends: 1, Status: 200,
				Sampled: true, Labels: labels,
			}, w.now)
			w.Close(traceID(n), w.now)
			spans = append(spans, record(span.KindServer, gateway, n, 2, 1),
				record(span.KindServer, stock, n, 3, 2))
		}
		w.Spans(spans, w.now)
		w.now = w.now.Add(time.Second)
		w.Settle(w.now, func(traces []*join.Trace) { settled += len(traces) })
	}
	if settled != int(n) {
		b.Fatalf("%d of %d traces have settled", settled, n)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "traces/s")
}
