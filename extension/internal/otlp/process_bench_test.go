package otlp_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// benchRole makes the test binary the receiving process of BenchmarkProcess.
const benchRole = "CONTINUITY_BENCH_ROLE"

// TestBenchReceiver is the receiving process: receiver and join. Before a span
// is given to the join, the attempt that it answers is opened, recorded and
// closed in this process too, as in a run. It ends with its standard input.
func TestBenchReceiver(t *testing.T) {
	t.Parallel()
	if os.Getenv(benchRole) != "receiver" {
		t.Skip("only as the receiving process of BenchmarkProcess")
	}
	store := join.New(join.Config{MaxTraces: 1_000_000, Linger: time.Millisecond})
	labels := new(span.Labels)
	r, err := otlp.Listen(otlp.Config{GRPC: "127.0.0.1:0", Sink: func(batch []span.Record) {
		now := time.Now()
		for i := range batch {
			open(store, labels, batch[i].TraceID, batch[i].ParentID, now)
		}
		store.Spans(batch, now)
	}})
	noError(t, err)
	stop := settle(store)
	fmt.Println("listening on", r.GRPCAddr())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	noError(t, r.Shutdown(ctx))
	stop()
	equal(t, uint64(0), store.Stats().Foreign)
}

// open opens a trace, records its attempt and closes it, as a run does.
func open(
	store *join.Store, labels *span.Labels, id tracecontext.TraceID, parent tracecontext.SpanID,
	now time.Time,
) {
	store.Open(id, now)
	store.Finish(span.Attempt{
		TraceID: id, SpanID: parent, Sampled: true, Number: 1,
		Outcome: span.OutcomeAnswered, Status: 200, Labels: labels,
	}, now)
}

// BenchmarkProcess sends encoded batches over gRPC from this process to another
// one on the same machine, and reports spans/s and the receiving process's
// processor time per span, which does not depend on what else the machine does.
// With CONTINUITY_BENCH_COLLECTOR=PATH, a Collector with an otlp receiver and the
// servicegraph connector, the same sender feeds that, and "ratio" feeds both in
// turns: its metrics say how many times the spans/s we take, and how many times
// the processor time the Collector needs.
//
// Measured against the receiver of v0.162.0 and the connector of v0.158.0, on two
// cores of an AMD EPYC with nothing else to do, one after the other: 1.32 to 1.46
// million spans/s against 449 to 482 thousand, 2.9 to 3.1 times as many, at 884 to
// 967 ns of processor time a span against 3868 to 4127, a quarter. The sender, a
// third of the processors at our rate, is in the first number and not in the second.
// "ratio" printed 2.7 and 4.1 to 4.2 there, as the Collector goes on with its own
// upkeep in our turns, and 2.5 to 4.0 (3.2 in the median) and 3.9 to 4.4 under load.
func BenchmarkProcess(b *testing.B) {
	path := os.Getenv("CONTINUITY_BENCH_COLLECTOR")
	b.Run("continuity", func(b *testing.B) { startReceiver(b).feed(b) })
	b.Run("collector", func(b *testing.B) {
		if path == "" {
			b.Skip("CONTINUITY_BENCH_COLLECTOR is not set")
		}
		startCollector(b, path).feed(b)
	})
	b.Run("ratio", func(b *testing.B) {
		if path == "" {
			b.Skip("CONTINUITY_BENCH_COLLECTOR is not set")
		}
		compare(b, startReceiver(b), startCollector(b, path))
	})
}

// compare feeds two processes in turns, and reports the second one's time and
// processor time in those of the first. A turn is long beside what either has
// still to do behind its end; their processor time is that of all turns together.
func compare(b *testing.B, sides ...*process) {
	b.Helper()
	const batches = 1000 // of one turn
	senders := make([]*sender, len(sides))
	wall, processor := make([]float64, len(sides)), make([]float64, len(sides))
	for i, side := range sides {
		senders[i] = newSender(b, side.address, nil)
		senders[i].send(b, batches/10)
		processor[i] = -side.used(b).Seconds()
	}
	for b.Loop() {
		for i := range sides {
			began := time.Now()
			senders[i].send(b, batches)
			wall[i] += time.Since(began).Seconds()
		}
	}
	for i, side := range sides {
		processor[i] += side.used(b).Seconds()
	}
	b.ReportMetric(wall[1]/wall[0], "times-spans/s")
	b.ReportMetric(processor[1]/processor[0], "times-processor")
}

// process is a receiving process.
type process struct {
	cmd     *exec.Cmd
	address string
}

// startReceiver starts this test binary as the receiving process.
func startReceiver(b *testing.B) *process {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestBenchReceiver$")
	cmd.Env = append(os.Environ(), benchRole+"=receiver")
	out, err := cmd.StdoutPipe()
	noError(b, err)
	in, err := cmd.StdinPipe()
	noError(b, err)
	noError(b, cmd.Start())
	b.Cleanup(func() {
		noError(b, in.Close())
		noError(b, cmd.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	noError(b, err)
	return &process{cmd, strings.TrimSpace(strings.TrimPrefix(line, "listening on "))}
}

// startCollector starts a Collector as the receiving process.
func startCollector(b *testing.B, path string) *process {
	b.Helper()
	address := freeAddress(b)
	config := filepath.Join(b.TempDir(), "config.yaml")
	noError(b, os.WriteFile(config, []byte(fmt.Sprintf(collectorConfig, address)), 0o600))
	cmd := exec.Command(path, "--config", config)
	noError(b, cmd.Start())
	b.Cleanup(func() {
		noError(b, cmd.Process.Kill())
		_ = cmd.Wait()
	})
	return &process{cmd, address}
}

// feed feeds a process and reports what it cost it.
func (p *process) feed(b *testing.B) {
	b.Helper()
	var before time.Duration
	feed(b, p.address, nil, func() { before = p.used(b) })
	used := p.used(b) - before
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N*batchSpans), "receiver-ns/span")
}

// used is what a process has used so far, user and system, on Linux: fields 14
// and 15 of /proc/PID/stat, in hundredths of a second.
func (p *process) used(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Skip("there is no /proc here")
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	total := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		noError(b, err)
		total += n
	}
	return time.Duration(total) * 10 * time.Millisecond
}

// collectorConfig is a Collector that receives spans and joins their two ends.
const collectorConfig = `receivers:
  otlp: {protocols: {grpc: {endpoint: "%s", max_recv_msg_size_mib: 64}}}
connectors:
  servicegraph: {store: {max_items: 1000000, ttl: 60s}}
exporters:
  nop: {}
service:
  telemetry: {logs: {level: error}, metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [servicegraph]}
    metrics: {receivers: [servicegraph], exporters: [nop]}
`

func freeAddress(b *testing.B) string {
	b.Helper()
	r, err := otlp.Listen(otlp.Config{GRPC: "127.0.0.1:0", Sink: func([]span.Record) {}})
	noError(b, err)
	defer shutdown(b, r)
	return r.GRPCAddr()
}
