package otlp_test

import (
	"context"
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

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
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
		feed(b, r.GRPCAddr())
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		noError(b, r.Shutdown(ctx))
		equal(b, true, spans.Load() >= int64(b.N)*batchSpans)
	})
	b.Run("other", func(b *testing.B) {
		address := os.Getenv("CONTINUITY_BENCH_OTLP")
		if address == "" {
			b.Skip("CONTINUITY_BENCH_OTLP is not set")
		}
		feed(b, address)
	})
}

// feed sends b.N batches with several senders and reports spans/s.
func feed(b *testing.B, address string) {
	b.Helper()
	senders := 4
	if s, err := strconv.Atoi(os.Getenv("CONTINUITY_BENCH_SENDERS")); err == nil {
		senders = s
	}
	cc, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawBytes{}), grpc.WaitForReady(true)))
	noError(b, err)
	defer func() { noError(b, cc.Close()) }()
	batches := make([][]byte, 64)
	for i := range batches {
		batches[i] = benchBatch(b, uint64(i)*2*batchSpans+1)
	}
	b.SetBytes(int64(len(batches[0])))
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				err := cc.Invoke(context.Background(), exportMethod,
					batches[i%int64(len(batches))], nil)
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)*batchSpans/b.Elapsed().Seconds(), "spans/s")
}
