package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// k6Binary returns the binary under test, or skips with the way to run the test.
func k6Binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CONTINUITY_K6")
	if path == "" {
		t.Skip("CONTINUITY_K6 is not set: run `make test-e2e`")
	}
	return path
}

func repoRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	return root
}

// env is one test's own set of ports and directories.
type env struct {
	t                   *testing.T
	k6                  string
	grpc, http, gateway string
	inventory, pricing  string
	results             string
	endpoint            string // where the demo services send their spans
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{
		t: t, k6: k6Binary(t), grpc: loopbacktest.Address(t), http: loopbacktest.Address(t), gateway: loopbacktest.Address(t),
		inventory: loopbacktest.Address(t), pricing: loopbacktest.Address(t), results: t.TempDir(),
	}
	e.endpoint = e.grpc
	return e
}

// demo starts the demo services and stops them when the test ends.
func (e *env) demo(flags ...string) {
	e.t.Helper()
	args := append([]string{
		"x", "continuity", "demo", "--endpoint", e.endpoint, "--listen-gateway", e.gateway,
		"--listen-inventory", e.inventory, "--listen-pricing", e.pricing,
	}, flags...)
	cmd := exec.Command(e.k6, args...)
	out, err := cmd.StdoutPipe()
	require.NoError(e.t, err)
	cmd.Stderr = os.Stderr
	require.NoError(e.t, cmd.Start())
	e.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	})
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "ready") {
				ready <- true
			}
		}
		close(ready)
	}()
	select {
	case ok := <-ready:
		require.True(e.t, ok, "the demo services ended before they were ready")
	case <-time.After(30 * time.Second):
		require.Fail(e.t, "the demo services did not start")
	}
}

// run is what one k6 run left behind.
type run struct {
	code   int
	output string
	report *report.Report
	k6     map[string]metric
}

// metric is the part of k6's summary export that the tests read.
type metric struct {
	Count  float64 `json:"count"`
	Passes float64 `json:"passes"`
	Fails  float64 `json:"fails"`
}

// command is k6 run with the environment of this test.
func (e *env) command(script string, variables map[string]string, args ...string) *exec.Cmd {
	summary := filepath.Join(e.results, "summary.json")
	cmd := exec.Command(e.k6, append([]string{
		"run", "--quiet", "--no-usage-report", "--summary-export", summary, script,
	}, args...)...)
	cmd.Dir = repoRoot(e.t)
	cmd.Env = append(os.Environ(), "UPSTREAM="+e.gateway, "K6_CONTINUITY_LISTEN_GRPC="+e.grpc,
		"K6_CONTINUITY_LISTEN_HTTP="+e.http, "K6_CONTINUITY_RESULTS="+e.results)
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

func (e *env) run(script string, variables map[string]string) run {
	e.t.Helper()
	var output bytes.Buffer
	cmd := e.command(script, variables)
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil {
		require.ErrorAs(e.t, err, &exit, output.String())
	}
	return e.collect(cmd.ProcessState.ExitCode(), output.String())
}

// collect reads the newest report and k6's own summary.
func (e *env) collect(code int, output string) run {
	e.t.Helper()
	r := run{code: code, output: output}
	if data, err := os.ReadFile(filepath.Join(e.results, "summary.json")); err == nil {
		var summary struct {
			Metrics map[string]metric `json:"metrics"`
		}
		require.NoError(e.t, json.Unmarshal(data, &summary))
		r.k6 = summary.Metrics
	}
	for _, path := range e.reports() {
		f, err := os.Open(path)
		require.NoError(e.t, err)
		r.report, err = report.ReadJSON(f)
		require.NoError(e.t, err)
		require.NoError(e.t, f.Close())
	}
	return r
}

// continuity runs a subcommand and returns its exit code and all its output.
func (e *env) continuity(args ...string) (code int, output string) {
	e.t.Helper()
	cmd := exec.Command(e.k6, append([]string{"x", "continuity"}, args...)...)
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil {
		require.ErrorAs(e.t, err, &exit, string(out))
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// reports lists the finished reports, oldest first.
func (e *env) reports() []string {
	e.t.Helper()
	paths, err := filepath.Glob(filepath.Join(e.results, "2*Z-??????.json"))
	require.NoError(e.t, err)
	return paths
}

// script writes a test's own script.
func (e *env) script(format string, args ...any) string {
	e.t.Helper()
	path := filepath.Join(e.t.TempDir(), "script.js")
	require.NoError(e.t, os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600))
	return path
}
