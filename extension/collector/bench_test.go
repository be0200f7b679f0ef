package collector

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// benchBatch is how many requests share an export.
const benchBatch = 100

// batches are the exports of requests that the demo's services answered, each
// with two spans of the load and three of the services.
func batches(requests int, begin int64) (all []ptrace.Traces, spans int) {
	load := newTraffic(1, begin)
	for range requests {
		load.operation("baseline", "continued")
	}
	spans = len(load.spans)
	for at := 0; at < spans; at += benchBatch * spans / requests {
		all = append(all, batch(load.spans[at:min(spans, at+benchBatch*spans/requests)]...))
	}
	return all, spans
}

// BenchmarkShard is everything that a shard does with a span: reading, joining,
// judging and counting. It reports the memory of a trace that waits, too.
func BenchmarkShard(b *testing.B) {
	const requests = 20_000
	now := time.Unix(1_800_000_000, 0)
	all, spans := batches(requests, now.UnixNano())
	var before, open runtime.MemStats
	var busy time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := newShard(b.TempDir(), "a", now.Add(-time.Hour))
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := processorTime(b)
		b.StartTimer()
		for _, td := range all {
			require.NoError(b, s.intake.take(td, now))
		}
		b.StopTimer()
		busy += processorTime(b) - began
		runtime.GC()
		runtime.ReadMemStats(&open)
		began = processorTime(b)
		b.StartTimer()
		s.advance(now.Add(time.Minute))
		busy += processorTime(b) - began
		require.Zero(b, s.intake.store.Stats().Open)
	}
	b.ReportMetric(float64(spans*b.N)/busy.Seconds(), "spans/cpu-s")
	b.ReportMetric(float64(open.HeapAlloc-before.HeapAlloc)/requests, "B/open-trace")
}

// processorTime is what the process has used of its processors, which other load
// on the machine does not change much.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
