package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// engineWait bounds the start of a Docker engine; every other step has a bound
// of its own, so that a stuck container ends the test.
const engineWait = 90 * time.Second

// stack is docker-compose.yml under a project name and on ports of this test.
type stack struct {
	t       *testing.T
	compose []string
	env     []string
	results string
	project string
}

// TestCompose is the stack for real: images from the built binaries, the main
// scenario and the negative control through the containers, and a service that
// is killed and started again in the middle of a run.
//
//nolint:paralleltest // it has the machine's engine for itself, and its steps an order
func TestCompose(t *testing.T) {
	if os.Getenv("CONTINUITY_COMPOSE") == "" {
		t.Skip("CONTINUITY_COMPOSE is not set: run `make test-compose`")
	}
	s := newStack(t)
	s.do(3*time.Minute, "build")
	s.do(2*time.Minute, "up", "-d")
	s.await("http://" + s.variable("GATEWAY_PORT") + "/healthz")

	t.Run("the image for the k6-operator runs its initializer", func(t *testing.T) {
		s.runnerImage(t)
	})
	t.Run("published ports are on loopback and containers have no root", func(t *testing.T) {
		s.confined(t)
	})
	t.Run("a port that is taken is named, with a hint", func(t *testing.T) {
		s.takenPort(t)
	})
	t.Run("the negative control finds exactly what was injected", func(t *testing.T) {
		r := s.run(t, "/scripts/negative-control.js", 10*time.Second, nil)
		assert.Positive(t, r.Control.Injected)
		assert.Equal(t, r.Control.Injected, r.Control.Detected)
		assert.Zero(t, r.Control.FalseBreak)
		assert.Zero(t, r.Totals.Verdicts["missing"])
	})
	t.Run("a service killed in the middle costs what it lost and no more", func(t *testing.T) {
		// After the phase of 503s, by the toxics and not by the clock, and long enough
		// for a slow machine to have the service back in the last phase.
		r := s.run(t, "/scripts/checkout.js", 80*time.Second, func() {
			s.awaitToxics(t, "there", func(n int) bool { return n > 0 })
			s.awaitToxics(t, "gone", func(n int) bool { return n == 0 })
			s.do(time.Minute, "kill", "demo")
			s.do(time.Minute, "start", "demo")
		})
		for _, never := range []string{"restarted", "reparented", "duplicated"} {
			assert.Zero(t, r.Totals.Verdicts[never], never)
		}
		require.NotEmpty(t, r.By["phase"])
		var recovered uint64
		for _, row := range r.By["phase"] {
			if row.Key == "recovery" {
				recovered = row.Verdicts["continued"]
			}
		}
		assert.Positive(t, recovered, "attempts of the last phase, after the restart")
		assert.Positive(t, r.Totals.Verdicts["not_delivered"], "503s of the toxic")
		var seen, injected uint64
		for _, f := range r.Faults {
			if f.Type == "http_status" {
				injected += f.Injected
			}
		}
		for _, f := range r.Seen {
			if f.Type == "http_status" {
				seen += f.Count
			}
		}
		assert.Positive(t, injected)
		assert.Equal(t, injected, seen, "faults injected and faults seen by the load")
	})
}

func newStack(t *testing.T) *stack {
	t.Helper()
	root := repoRoot(t)
	for _, binary := range []string{"bin/k6", "bin/toxiproxy", "bin/busybox"} {
		if _, err := os.Stat(filepath.Join(root, binary)); errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s is not there: run `make test-compose`", binary)
		}
	}
	s := &stack{t: t, results: t.TempDir()}
	s.env = append(os.Environ(), startEngine(t)...)
	s.compose = []string{"docker-compose"}
	if s.command(t.Context(), "docker", "compose", "version").Run() == nil {
		s.compose = []string{"docker", "compose"}
	}
	if _, err := exec.LookPath(s.compose[0]); err != nil {
		t.Fatal("docker-compose is not installed: apt-get install docker-compose")
	}
	s.project = fmt.Sprintf("continuity-test-%d", os.Getpid())
	s.env = append(s.env, "COMPOSE_PROJECT_NAME="+s.project,
		"COMPOSE_PROFILES=", "RESULTS="+s.results, "VUS=5",
		fmt.Sprintf("RUN_AS=%d:%d", os.Getuid(), os.Getgid()))
	for _, name := range []string{"TOXIPROXY_PORT", "PROXY_PORT", "GATEWAY_PORT"} {
		_, port, err := net.SplitHostPort(loopbacktest.Address(t))
		require.NoError(t, err)
		s.env = append(s.env, name+"="+port)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if t.Failed() {
			out, _ := s.command(ctx, s.compose[0], append(s.compose[1:], "logs", "--tail=50")...).CombinedOutput()
			t.Logf("logs:\n%s", out)
		}
		down := append(append([]string{}, s.compose[1:]...), "down", "--volumes", "--timeout", "5")
		out, err := s.command(ctx, s.compose[0], down...).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	})
	return s
}

// variable is host:port of a published port.
func (s *stack) variable(name string) string {
	for _, pair := range s.env {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return "127.0.0.1:" + value
		}
	}
	return ""
}

func (s *stack) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = repoRoot(s.t), s.env
	return cmd
}

// do runs one compose command to its end.
func (s *stack) do(limit time.Duration, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	all := append(append([]string{}, s.compose[1:]...), args...)
	out, err := s.command(ctx, s.compose[0], all...).CombinedOutput()
	require.NoError(s.t, err, "%s %v: %s", s.compose[0], all, out)
}

// run runs a script in the k6 container and returns its report. During is called
// while it runs.
func (s *stack) run(
	t *testing.T, script string, duration time.Duration, during func(),
) *report.Report {
	t.Helper()
	before := s.reports()
	ctx, cancel := context.WithTimeout(t.Context(), duration+2*time.Minute)
	defer cancel()
	args := append(append([]string{}, s.compose[1:]...), "run", "--rm", "--use-aliases", "-T",
		"-e", "DURATION="+duration.String(), "k6", "run", "--quiet", script)
	cmd := s.command(ctx, s.compose[0], args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	if during != nil {
		during()
	}
	err := cmd.Wait()
	// 99: a threshold was crossed, as it must be when a service loses spans.
	if exit := new(exec.ExitError); err != nil {
		require.ErrorAs(t, err, &exit, "%s", output.String())
		require.Equal(t, 99, exit.ExitCode(), "%s", output.String())
		require.NotNil(t, during, "a threshold failed:\n%s", output.String())
	}
	after := s.reports()
	require.Len(t, after, len(before)+1, "%s", output.String())
	f, err := os.Open(after[len(after)-1])
	require.NoError(t, err)
	defer func() { assert.NoError(t, f.Close()) }()
	r, err := report.ReadJSON(f) // proves that attempts are the sum of their verdicts
	require.NoError(t, err)
	require.Positive(t, r.Totals.Attempts, "%s", output.String())
	t.Logf("%s: %d attempts, %v", script, r.Totals.Attempts, r.Totals.Verdicts)
	return r
}

func (s *stack) reports() []string {
	paths, err := filepath.Glob(filepath.Join(s.results, "2*Z-??????.json"))
	require.NoError(s.t, err)
	return paths
}

// await waits until a published port answers.
func (s *stack) await(url string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}, time.Minute, 200*time.Millisecond, url)
}

// startEngine returns the environment of a Docker engine: the one that is there,
// or one that is started now, with a data directory of its own, and stopped at
// the end of the test.
func startEngine(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		t.Fatal("docker is not installed: apt-get install docker.io docker-compose iptables")
	}
	if exec.CommandContext(t.Context(), "docker", "version").Run() == nil {
		return nil
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Fatal("no Docker engine answers and dockerd is not installed: " +
			"start one, or apt-get install docker.io iptables")
	}
	dir, err := os.MkdirTemp("", "engine") //nolint:usetesting // a socket's path has to be short
	require.NoError(t, err)
	socket := "unix://" + filepath.Join(dir, "s")
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	engine := exec.CommandContext(context.WithoutCancel(t.Context()), "dockerd", "-H", socket,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"))
	engine.Stdout, engine.Stderr = log, log
	require.NoError(t, engine.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Wait() // its log says how
	}()
	t.Cleanup(func() {
		_ = engine.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = engine.Process.Kill()
		}
		_ = log.Close()
		_ = os.RemoveAll(dir)
	})
	host := "DOCKER_HOST=" + socket
	limit := time.Now().Add(engineWait)
	for {
		probe := exec.CommandContext(t.Context(), "docker", "version")
		probe.Env = append(os.Environ(), host)
		if probe.Run() == nil {
			return []string{host}
		}
		select {
		case <-ended:
			limit = time.Time{}
		case <-time.After(500 * time.Millisecond):
		}
		if time.Now().After(limit) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("the Docker engine did not start:\n%s", text)
		}
	}
}
