package collector

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// TestRealCollectors runs Collectors that the Builder built, the demo services
// and two k6 processes, each with a half of the execution segment. A balancer
// sends each span by its trace id to one of two shards, and all spans to a third
// Collector as well. The merged report of the shards must be the third one's.
//
// The balancer is the test's own: it stands for the loadbalancing exporter,
// which the manifest has and the test leaves out, as it cannot be had everywhere.
func TestRealCollectors(t *testing.T) { //nolint:paralleltest // processes, for a minute
	k6, ocb := os.Getenv("CONTINUITY_K6"), os.Getenv("CONTINUITY_OCB")
	if k6 == "" || ocb == "" {
		t.Skip("CONTINUITY_K6 and CONTINUITY_OCB are not set: run `make test-collector`")
	}
	binary := buildCollector(t, ocb)
	sharded, single := t.TempDir(), t.TempDir()
	shards := []*process{
		startCollector(t, binary, "shard-1", sharded),
		startCollector(t, binary, "shard-2", sharded),
	}
	whole := startCollector(t, binary, "whole", single)
	balancer := startBalancer(t, whole.address, shards[0].address, shards[1].address)

	gateway := freeAddress(t)
	demo := start(t, k6, nil, "ready", "x", "continuity", "demo", "--endpoint", balancer.address,
		"--listen-gateway", gateway, "--listen-inventory", freeAddress(t), "--listen-pricing", freeAddress(t),
		"--drop-context", "0.05", "--duplicate", "0.05", "--drop-spans", "0.03", "--seed", "3")
	attempts := runLoad(t, k6, balancer.address, gateway)
	demo.stop(t) // exports its last spans
	<-time.After(collectorSettle + 3*time.Second)
	for _, p := range append(shards, whole) {
		p.stop(t)
	}

	want, got := merged(t, single), merged(t, sharded)
	t.Logf("verdict         one process  two shards, merged (%d spans to one, %d to the other)",
		balancer.sent[0].Load(), balancer.sent[1].Load())
	for _, name := range []string{
		"continued", "duplicated", "restarted", "reparented", "span_lost", "missing", "not_delivered", "undecided",
	} {
		t.Logf("%-14s %12d %12d", name, want.Totals.Verdicts[name], got.Totals.Verdicts[name])
	}
	assert.Equal(t, attempts, want.Totals.Attempts, "attempts that the k6 processes sent")
	assert.Equal(t, want.Totals, got.Totals)
	assert.Equal(t, verdicts(want), verdicts(got))
	assert.Equal(t, want.Control, got.Control)
	for _, name := range []string{"continued", "duplicated", "restarted"} {
		assert.Positive(t, got.Totals.Verdicts[name], name)
	}
	assert.Positive(t, got.Control.Injected, "stripped by the toxic")
	assert.Equal(t, got.Control.Injected, got.Control.Detected)
	assert.Positive(t, balancer.sent[0].Load())
	assert.Positive(t, balancer.sent[1].Load())
}

// buildCollector builds the manifest without what this machine cannot get.
func buildCollector(t *testing.T, ocb string) string {
	t.Helper()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	manifest, err := os.ReadFile("builder.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	text := regexp.MustCompile(`(?m)^.*loadbalancingexporter.*\n`).ReplaceAllString(string(manifest), "")
	text = strings.NewReplacer("output_path: ../../bin/collector", "output_path: "+dir,
		"path: .\n", "path: "+here+"\n", "=> ../..", "=> "+filepath.Join(here, "../..")).Replace(text)
	file := filepath.Join(dir, "builder.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cmd := exec.CommandContext(t.Context(), ocb, "--config", file)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod -buildvcs=false")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "otelcol-continuity")
}

// collectorSettle is the settle time of the Collectors of the test: well above
// the batch delays of the demo services (1 s) and of the load (set below).
const collectorSettle = 10 * time.Second

func startCollector(t *testing.T, binary, instance, reports string) *process {
	t.Helper()
	address := freeAddress(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
connectors:
  continuity: {directory: %q, instance: %s, window: 5s, settle: %s}
exporters:
  nop:
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [continuity]}
    metrics: {receivers: [continuity], exporters: [nop]}
`, address, reports, instance, collectorSettle), 0o600))
	p := start(t, binary, nil, "Everything is ready", "--config", config)
	p.address = address
	return p
}

// runLoad runs two k6 processes side by side and returns the attempts they sent.
func runLoad(t *testing.T, k6, endpoint, gateway string) (attempts uint64) {
	t.Helper()
	script, err := filepath.Abs("../../scripts/negative-control.js")
	require.NoError(t, err)
	results := t.TempDir()
	var load sync.WaitGroup
	for i, segment := range []string{"0:1/2", "1/2:1"} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, k6, "run", "--quiet", "--no-usage-report", "--address", "",
			"--execution-segment", segment, "--execution-segment-sequence", "0,1/2,1",
			"--no-thresholds", script)
		cmd.Env = append(os.Environ(), "UPSTREAM="+gateway, "VUS=6", "DURATION=6s",
			fmt.Sprintf("SEED=%d", i+1), "K6_CONTINUITY_SOURCE=none", "K6_CONTINUITY_HTML=false",
			"K6_CONTINUITY_RESULTS="+results, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+endpoint,
			"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_BSP_SCHEDULE_DELAY=500",
			fmt.Sprintf("OTEL_RESOURCE_ATTRIBUTES=testid=nightly,instance_id=%d", i+1))
		load.Go(func() {
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	load.Wait()
	files, err := filepath.Glob(filepath.Join(results, "2*.json"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		r, err := report.ReadJSON(bytes.NewReader(data))
		require.NoError(t, err)
		assert.Equal(t, r.Spans.Started, r.Spans.Exported, "spans of the load that did not arrive")
		attempts += r.Totals.Attempts
	}
	return attempts
}

// process is a program that was started and is stopped by SIGTERM.
type process struct {
	cmd     *exec.Cmd
	output  *watcher
	ended   chan error
	once    sync.Once
	address string
}

// watcher keeps what a process prints and tells when a word was there.
type watcher struct {
	mu    sync.Mutex
	text  bytes.Buffer
	word  string
	ready chan struct{}
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.word != "" && strings.Contains(w.text.String(), w.word) {
		w.word = ""
		close(w.ready)
	}
	return len(p), nil
}

func start(t *testing.T, name string, env []string, ready string, args ...string) *process {
	t.Helper()
	p := &process{
		cmd: exec.CommandContext(context.WithoutCancel(t.Context()), name, args...), ended: make(chan error, 1),
		output: &watcher{word: ready, ready: make(chan struct{})},
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	require.NoError(t, p.cmd.Start())
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { p.stop(t) })
	select {
	case <-p.output.ready:
	case err := <-p.ended:
		p.ended <- err
		require.Fail(t, "ended early", "%s: %v\n%s", name, err, p.output.text.String())
	case <-time.After(time.Minute):
		require.Fail(t, "not ready", "%s\n%s", name, p.output.text.String())
	}
	return p
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-p.ended:
			assert.NoError(t, err, p.output.text.String()) //nolint:testifylint // cleanup goes on
		case <-time.After(30 * time.Second):
			_ = p.cmd.Process.Kill()
			assert.Fail(t, "did not stop", p.output.text.String())
		}
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// balancer sends spans on by trace id.
type balancer struct {
	ptraceotlp.UnimplementedGRPCServer

	address string
	whole   ptraceotlp.GRPCClient
	shards  []ptraceotlp.GRPCClient
	sent    []atomic.Int64
}

func startBalancer(t *testing.T, whole string, shards ...string) *balancer {
	t.Helper()
	dial := func(address string) ptraceotlp.GRPCClient {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, conn.Close()) })
		return ptraceotlp.NewGRPCClient(conn)
	}
	b := &balancer{whole: dial(whole), sent: make([]atomic.Int64, len(shards))}
	for _, address := range shards {
		b.shards = append(b.shards, dial(address))
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.address = l.Addr().String()
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, b)
	go func() { assert.NoError(t, server.Serve(l)) }()
	t.Cleanup(server.Stop)
	return b
}

// Export implements ptraceotlp.GRPCServer.
func (b *balancer) Export(
	ctx context.Context, request ptraceotlp.ExportRequest,
) (ptraceotlp.ExportResponse, error) {
	if answer, err := b.whole.Export(ctx, request); err != nil {
		return answer, err
	}
	parts := make([]ptrace.Traces, len(b.shards))
	for i := range parts {
		parts[i] = ptrace.NewTraces()
	}
	for _, rs := range request.Traces().ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				id := s.TraceID()
				shard := int(id[len(id)-1]) % len(b.shards)
				to := parts[shard].ResourceSpans().AppendEmpty()
				rs.Resource().CopyTo(to.Resource())
				scope := to.ScopeSpans().AppendEmpty()
				ss.Scope().CopyTo(scope.Scope())
				s.CopyTo(scope.Spans().AppendEmpty())
				b.sent[shard].Add(1)
			}
		}
	}
	for i, part := range parts {
		if part.SpanCount() == 0 {
			continue
		}
		if answer, err := b.shards[i].Export(ctx, ptraceotlp.NewExportRequestFromTraces(part)); err != nil {
			return answer, err
		}
	}
	return ptraceotlp.NewExportResponse(), nil
}
