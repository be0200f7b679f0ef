package otlp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// batchSpans is the batch size of the SDKs' batch processors.
const batchSpans = 512

// benchBatch is one request of an SDK, of SERVER spans in traces of their own.
func benchBatch(tb testing.TB, first uint64) []byte {
	tb.Helper()
	spans := make([]*trace.Span, batchSpans)
	for i := range spans {
		spans[i] = serverSpan(first + 2*uint64(i))
	}
	return marshal(tb, request("inventory", spans...))
}

// BenchmarkDecode compares the field scan with the protobuf library on the
// same batch: "scan" and "proto" are to be read side by side.
func BenchmarkDecode(b *testing.B) {
	batch := benchBatch(b, 1)
	b.Run("scan", func(b *testing.B) {
		d := otlp.NewDecoder()
		perSpan(b, len(batch), func() {
			if r, err := d.Decode(batch, func([]span.Record) {}); err != nil || r.Spans != batchSpans {
				b.Fatal(r, err)
			}
		})
	})
	b.Run("proto", func(b *testing.B) {
		perSpan(b, len(batch), func() {
			var req collector.ExportTraceServiceRequest
			if err := proto.Unmarshal(batch, &req); err != nil {
				b.Fatal(err)
			}
			if records, _ := oracle(&req); len(records) != batchSpans {
				b.Fatal(len(records))
			}
		})
	})
}

// perSpan runs the function and reports spans/s and allocations per span.
func perSpan(b *testing.B, size int, decode func()) {
	b.Helper()
	decode()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		decode()
	}
	runtime.ReadMemStats(&after)
	spans := float64(b.N) * batchSpans
	b.ReportMetric(spans/b.Elapsed().Seconds(), "spans/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/spans, "allocs/span")
}

func TestASpanCostsNoAllocationInSteadyState(t *testing.T) { //nolint:paralleltest // it counts the process's allocations
	batch := benchBatch(t, 1)
	d := otlp.NewDecoder()
	decode := func() {
		_, err := d.Decode(batch, func([]span.Record) {})
		noError(t, err)
	}
	decode()
	perBatch := testing.AllocsPerRun(100, decode)
	equal(t, true, perBatch < 8)
}

// BenchmarkReceive sends encoded batches over gRPC from this process to a
// receiver in this process, so sender and receiver share the processors. With
// CONTINUITY_BENCH_OTLP=host:port the same sender feeds that address instead,
// to compare with another receiver.
func BenchmarkReceive(b *testing.B) {
	b.Run("continuity", func(b *testing.B) {
		var spans atomic.Int64
		r, err := otlp.Listen(otlp.Config{
			GRPC: "127.0.0.1:0", Sink: func(batch []span.Record) { spans.Add(int64(len(batch))) },
		})
		noError(b, err)
		feed(b, r.GRPCAddr(), nil, nil)
		shutdown(b, r)
		equal(b, true, spans.Load() >= int64(b.N)*batchSpans)
	})
	b.Run("continuity+join", func(b *testing.B) {
		store := join.New(join.Config{MaxTraces: 1_000_000, Linger: time.Millisecond})
		r, err := otlp.Listen(otlp.Config{GRPC: "127.0.0.1:0", Sink: func(batch []span.Record) {
			store.Spans(batch, time.Now())
		}})
		noError(b, err)
		stop := settle(store)
		labels := new(span.Labels)
		feed(b, r.GRPCAddr(), func(trace, parent uint64) {
			open(store, labels, tracecontext.TraceID(traceID(trace)),
				tracecontext.SpanID(spanID(parent)), time.Now())
		}, nil)
		shutdown(b, r)
		stop()
		equal(b, int(store.Stats().Spans), b.N*batchSpans)
		equal(b, 0, int(store.Stats().Foreign))
	})
	b.Run("other", func(b *testing.B) {
		address := os.Getenv("CONTINUITY_BENCH_OTLP")
		if address == "" {
			b.Skip("CONTINUITY_BENCH_OTLP is not set")
		}
		feed(b, address, nil, nil)
	})
}

// settle takes settled traces out of a store until it is stopped.
func settle(store *join.Store) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				store.Settle(now, func([]*join.Trace) {})
			case <-done:
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// template is an encoded batch whose trace ids can be replaced in place.
type template struct {
	bytes []byte
	ids   []int // offsets of the trace ids' last 8 bytes
	hex   []int // offsets of the same in the user agents
}

func newTemplate(tb testing.TB) *template {
	tb.Helper()
	t := &template{bytes: benchBatch(tb, 1)}
	prefix := traceID(0)[:8]
	find := func(what []byte) (at []int) {
		for i := 0; ; {
			n := bytes.Index(t.bytes[i:], what)
			if n < 0 {
				return at
			}
			i += n + len(what)
			at = append(at, i)
		}
	}
	t.ids, t.hex = find(prefix), find([]byte(hex.EncodeToString(prefix)))
	equal(tb, batchSpans, len(t.ids))
	equal(tb, batchSpans, len(t.hex))
	return t
}

// renew gives the spans the trace ids first, first+1, ….
func (t *template) renew(first uint64) {
	for i := range t.ids {
		id := t.bytes[t.ids[i] : t.ids[i]+8]
		binary.BigEndian.PutUint64(id, first+uint64(i))
		hex.Encode(t.bytes[t.hex[i]:], id)
	}
}

func shutdown(b *testing.B, r *otlp.Receiver) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	noError(b, r.Shutdown(ctx))
}

// feed sends b.N batches of new traces with several senders and reports
// spans/s. Each span is announced to sent, if any, before it goes out; ready, if
// any, is called before the first.
func feed(b *testing.B, address string, sent func(trace, parent uint64), ready func()) {
	b.Helper()
	s := newSender(b, address, sent)
	b.SetBytes(int64(len(s.templates[0].bytes)))
	b.ReportAllocs()
	if ready != nil {
		ready()
	}
	b.ResetTimer()
	s.send(b, b.N)
	b.ReportMetric(float64(b.N)*batchSpans/b.Elapsed().Seconds(), "spans/s")
}

// sender sends batches over one connection. It costs little itself: the batches
// are encoded beforehand, and only the ids in them are replaced.
type sender struct {
	cc        *grpc.ClientConn
	templates []*template // one per request under way
	sent      func(trace, parent uint64)
	next      atomic.Int64
}

// newSender connects to a receiver and waits until it answers.
func newSender(b *testing.B, address string, sent func(trace, parent uint64)) *sender {
	b.Helper()
	senders := 16 // as many as a connection takes: no receiver waits for its sender
	if s, err := strconv.Atoi(os.Getenv("CONTINUITY_BENCH_SENDERS")); err == nil {
		senders = s
	}
	cc, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawBytes{}), grpc.WaitForReady(true)))
	noError(b, err)
	b.Cleanup(func() { noError(b, cc.Close()) })
	warm, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	noError(b, cc.Invoke(warm, exportMethod, []byte{}, nil)) // is anybody there
	s := &sender{cc: cc, sent: sent}
	for range senders {
		s.templates = append(s.templates, newTemplate(b))
	}
	return s
}

// send sends so many batches, and waits for the answers.
func (s *sender) send(b *testing.B, batches int) {
	b.Helper()
	end := s.next.Load() + int64(batches)
	var left atomic.Int64
	left.Store(int64(batches))
	var wg sync.WaitGroup
	for _, batch := range s.templates {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				first := uint64(s.next.Add(1)) * batchSpans
				batch.renew(first)
				for n := range uint64(batchSpans) {
					if s.sent != nil {
						s.sent(first+n, 2*n+1)
					}
				}
				if err := s.cc.Invoke(context.Background(), exportMethod, batch.bytes, nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	equal(b, end, s.next.Load())
}
