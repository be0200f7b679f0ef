package collector

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// fleet is what a distributed run is made of, as processes of this machine: a
// balancer, two shards and a Collector that sees everything, a toxiproxy, the
// demo services, and two runners with a half of the execution segment each.
//
//	runners ─► toxiproxy ─► demo        shard-1
//	   └── spans ──┴─────► balancer ──► shard-2
//	                           └──────► whole
type fleet struct {
	t                      *testing.T
	dir                    string
	shards                 []*process
	copies                 string // configuration that sends all spans to whole, too
	balancer, whole        *process
	toxiproxy, demo        *process
	address, api, upstream string
	runners                []*process
	ring                   []string // addresses of the balancer's shards
	status                 []string // the REST API of each runner
}

// The binaries of the test, which `make test-collector` builds.
type binaries struct{ k6, toxiproxy, collector string }

func findBinaries(t *testing.T) binaries {
	t.Helper()
	b := binaries{
		os.Getenv("CONTINUITY_K6"), os.Getenv("CONTINUITY_TOXIPROXY"), os.Getenv("CONTINUITY_COLLECTOR"),
	}
	if b.k6 == "" || b.toxiproxy == "" || b.collector == "" {
		t.Skip("CONTINUITY_K6, CONTINUITY_TOXIPROXY and CONTINUITY_COLLECTOR are not set: " +
			"run `make test-collector`")
	}
	return b
}

func startFleet(t *testing.T, b binaries, demoFlags ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), address: loopbacktest.Address(t), upstream: loopbacktest.Address(t)}
	one, two := f.shard(b), f.shard(b)
	whole := loopbacktest.Address(t)
	f.whole = f.collector(b, "shard.yaml", nil, "LISTEN_GRPC="+whole, "INSTANCE=whole",
		"DIRECTORY="+f.single())
	// The balancer of the example, and in this test all spans once more to one.
	f.copies = filepath.Join(f.dir, "copies.yaml")
	require.NoError(t, os.WriteFile(f.copies, fmt.Appendf(nil, `
exporters:
  otlp/whole: {endpoint: %q, tls: {insecure: true}}
service: {pipelines: {traces: {exporters: [load_balancing, otlp/whole]}}}
`, whole), 0o600))
	f.balance(b, one, two)
	f.api = loopbacktest.Address(t)
	host, port, err := net.SplitHostPort(f.api)
	require.NoError(t, err)
	f.toxiproxy = start(t, b.toxiproxy, nil, "Starting Toxiproxy", "-host", host, "-port", port)
	f.demo = start(t, b.k6, nil, "ready, Ctrl+C", append([]string{
		"x", "continuity", "demo", "--endpoint", f.address, "--listen-gateway", f.upstream,
		"--listen-inventory", loopbacktest.Address(t), "--listen-pricing", loopbacktest.Address(t), "--seed", "3",
	}, demoFlags...)...)
	return f
}

// shard starts one more shard and returns its address.
func (f *fleet) shard(b binaries) string {
	f.t.Helper()
	address := loopbacktest.Address(f.t)
	f.shards = append(f.shards, f.collector(b, "shard.yaml", nil, "LISTEN_GRPC="+address,
		fmt.Sprintf("INSTANCE=shard-%d", len(f.shards)+1), "SHARDS=2", "DIRECTORY="+f.parts()))
	return address
}

// balance starts the balancer, in place of the one before, if there was one.
func (f *fleet) balance(b binaries, one, two string) {
	f.t.Helper()
	if f.balancer != nil {
		f.balancer.stop(f.t)
	}
	f.ring = []string{one, two}
	f.balancer = f.collector(b, "balancer.yaml", []string{"--config", f.copies},
		"LISTEN_GRPC="+f.address, "LISTEN_HTTP="+loopbacktest.Address(f.t), "SHARD_1="+one, "SHARD_2="+two)
}

func (f *fleet) parts() string   { return filepath.Join(f.dir, "parts") }
func (f *fleet) single() string  { return filepath.Join(f.dir, "single") }
func (f *fleet) results() string { return filepath.Join(f.dir, "results") }

// collector starts one of the examples.
func (f *fleet) collector(b binaries, example string, args []string, env ...string) *process {
	f.t.Helper()
	return start(f.t, b.collector, append(env, "WINDOW=2s", "SETTLE=8s"), "Everything is ready",
		append([]string{"--config", filepath.Join("examples", example)}, args...)...)
}

// load starts the runners as the k6-operator does, paused and with its tags, and
// lets them go together.
func (f *fleet) load(b binaries, duration time.Duration) {
	f.t.Helper()
	script, err := filepath.Abs("../../scripts/negative-control.js")
	require.NoError(f.t, err)
	proxy := loopbacktest.Address(f.t)
	for i, segment := range []string{"0:1/2", "1/2:1"} {
		status := loopbacktest.Address(f.t)
		f.status = append(f.status, "http://"+status+"/v1/status")
		f.runners = append(f.runners, start(f.t, b.k6, []string{
			"UPSTREAM=" + f.upstream, "VUS=6", "DURATION=" + duration.String(), "SEED=7", "SHARE=0.1",
			"PROXY_LISTEN=" + proxy, "K6_CONTINUITY_TOXIPROXY=http://" + f.api,
			"K6_CONTINUITY_SOURCE=none", "K6_CONTINUITY_HTML=false", "K6_CONTINUITY_RESULTS=" + f.results(),
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + f.address, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
			"OTEL_BSP_SCHEDULE_DELAY=500", "K6_NO_USAGE_REPORT=true",
		}, "", "run", "--quiet", "--execution-segment", segment, "--execution-segment-sequence", "0,1/2,1",
			"--no-thresholds", script, "--address="+status, "--paused", "--tag",
			fmt.Sprintf("instance_id=%d", i+1), "--tag", "testrun_name=nightly"))
	}
	for _, url := range f.status {
		f.resume(url)
	}
}

// resume tells a paused runner to go, as the operator's starter does.
func (f *fleet) resume(url string) {
	f.t.Helper()
	const body = `{"data":{"type":"status","id":"default","attributes":{"paused":false}}}`
	require.Eventually(f.t, func() bool {
		request, err := http.NewRequestWithContext(f.t.Context(), http.MethodPatch, url, strings.NewReader(body))
		if err != nil {
			return false
		}
		answer, err := http.DefaultClient.Do(request)
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond, "a runner that can be started")
}

// finish waits for the runners, lets everything settle and stops it.
func (f *fleet) finish() {
	f.t.Helper()
	for _, r := range f.runners {
		r.wait(f.t)
	}
	f.demo.stop(f.t) // exports its last spans
	<-time.After(12 * time.Second)
	for _, p := range append([]*process{f.balancer, f.whole}, f.shards...) {
		p.stop(f.t)
	}
}

// sent are the reports of the runners.
func (f *fleet) sent() (reports []*report.Report) {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.results(), "2*Z-??????.json"))
	require.NoError(f.t, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f.t, err)
		r, err := report.ReadJSON(bytes.NewReader(data))
		require.NoError(f.t, err)
		reports = append(reports, r)
	}
	return reports
}

// merge is `k6 x continuity merge` of all parts and all runners' reports.
func (f *fleet) merge(b binaries) *report.Report {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.parts(), "*.json"))
	require.NoError(f.t, err)
	runners, err := filepath.Glob(filepath.Join(f.results(), "2*.json"))
	require.NoError(f.t, err)
	output := filepath.Join(f.dir, "merged.json")
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, b.k6, append(append([]string{
		"x", "continuity", "merge", "--output", output,
	}, files...), runners...)...).CombinedOutput()
	require.NoError(f.t, err, "%s", out)
	f.t.Logf("%s", out)
	data, err := os.ReadFile(output)
	require.NoError(f.t, err)
	r, err := report.ReadJSON(bytes.NewReader(data))
	require.NoError(f.t, err)
	return r
}

func mergeAll(t *testing.T, reports []*report.Report) *report.Report {
	t.Helper()
	r, err := compare.Merge(reports)
	require.NoError(t, err)
	return r
}

// table logs the verdicts of one process beside those of a merge.
func table(t *testing.T, right string, a, b *report.Report) {
	t.Helper()
	t.Logf("%-14s %14s %24s", "verdict", "one process", right)
	for _, name := range []string{
		"continued", "duplicated", "restarted", "reparented", "span_lost", "missing", "not_delivered", "undecided",
	} {
		t.Logf("%-14s %14d %24d", name, a.Totals.Verdicts[name], b.Totals.Verdicts[name])
	}
	for _, w := range b.Warnings {
		t.Logf("warning: %s", w)
	}
}
