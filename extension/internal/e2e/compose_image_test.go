package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// initializer is what the k6-operator runs in the runner's image before a test:
// https://github.com/grafana/k6-operator, pkg/resources/jobs/initializer.go
const initializer = `command -v k6 && mkdir -p "$(dirname /tmp/test.tar)" &&
k6 archive /scripts/smoke.test.js -e VUS=1 -O /tmp/test.tar --tag testid=one 2>/tmp/logs &&
k6 inspect --execution-requirements /tmp/test.tar 2>/tmp/logs &&
! grep 'level.*error' /tmp/logs && id -u`

// runnerImage builds the image for a cluster and runs in it what an operator does.
func (s *stack) runnerImage(t *testing.T) {
	t.Helper()
	const image = "xk6-continuity/runner-test"
	docker := func(limit time.Duration, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		out, err := s.command(ctx, "docker", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	docker(3*time.Minute, "build", "-f", "scripts/kubernetes/Dockerfile", "--target", "runner",
		"-t", image, ".")
	out := docker(2*time.Minute, "run", "--rm", "--network=none", "--entrypoint", "sh", image, "-c", initializer)
	assert.Contains(t, out, "/usr/bin/k6\n")
	assert.Contains(t, out, `"totalDuration"`)
	assert.True(t, strings.HasSuffix(out, "65532\n"), "not root: %s", out)
	run := docker(2*time.Minute, "run", "--rm", "--network=none", "--entrypoint", "sh", image, "-c",
		"cd /tmp && k6 run --quiet --tag instance_id=3 --tag testrun_name=smoke /scripts/smoke.test.js "+
			"&& cat results/2*.json")
	assert.Contains(t, run, `"instance_id": "3"`)
	assert.Contains(t, run, `"testrun_name": "smoke"`)
}

// confined asks the engine how the containers really run.
func (s *stack) confined(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := s.command(ctx, s.compose[0], append(s.compose[1:], "ps", "-q")...).Output()
	require.NoError(t, err)
	ids := strings.Fields(string(out))
	require.Len(t, ids, 2, "toxiproxy and demo")
	const format = `{{.Config.User}} {{.State.Health.Status}} {{.HostConfig.ReadonlyRootfs}} ` +
		`{{.HostConfig.CapDrop}}{{range .HostConfig.PortBindings}}{{range .}} {{.HostIp}}{{end}}{{end}}`
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the engine asks for their health from time to time
		out, err = s.command(ctx, "docker", append([]string{"inspect", "-f", format}, ids...)...).Output()
		require.NoError(c, err)
		assert.NotContains(c, string(out), " starting ")
	}, 45*time.Second, time.Second)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		require.Greater(t, len(fields), 4, line)
		assert.Equal(t, []string{"65532:65532", "healthy", "true", "[ALL]"}, fields[:4], line)
		for _, address := range fields[4:] {
			assert.Equal(t, "127.0.0.1", address, line)
		}
	}
}

// awaitToxics waits until as many status toxics are in the proxy as wanted.
func (s *stack) awaitToxics(t *testing.T, what string, wanted func(int) bool) {
	t.Helper()
	url := "http://" + s.variable("TOXIPROXY_PORT") + "/proxies/shop/toxics"
	require.Eventually(t, func() bool {
		answer, err := http.Get(url)
		if err != nil {
			return false
		}
		var toxics []struct {
			Type string `json:"type"`
		}
		err = errors.Join(json.NewDecoder(answer.Body).Decode(&toxics), answer.Body.Close())
		if err != nil {
			return false
		}
		found := 0
		for _, toxic := range toxics {
			if toxic.Type == "http_status" {
				found++
			}
		}
		return wanted(found)
	}, 2*time.Minute, 200*time.Millisecond, what)
}

// takenPort starts the stack a second time on the ports of the first.
func (s *stack) takenPort(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	second := "COMPOSE_PROJECT_NAME=" + s.project + "-second"
	up := s.command(ctx, "make", "-o", "bin/k6", "-o", "bin/toxiproxy", "up")
	up.Env = append(up.Env, second)
	out, err := up.CombinedOutput()
	require.Error(t, err, "%s", out)
	taken := make([]string, 0, 3) // Compose starts the containers in any order
	for _, name := range []string{"GATEWAY_PORT", "TOXIPROXY_PORT", "PROXY_PORT"} {
		taken = append(taken, s.variable(name))
	}
	assert.Regexp(t, "("+strings.Join(taken, "|")+").*(already|in use)", string(out))
	assert.Contains(t, string(out), "hint: a port that is taken can be another one")
	down := s.command(ctx, s.compose[0], append(s.compose[1:], "down", "--timeout", "1")...)
	down.Env = append(down.Env, second)
	out, err = down.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestMakeUpWithoutDocker: the message says what to install.
func TestMakeUpWithoutDocker(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	for name, c := range map[string]struct {
		tools []string
		want  string
	}{
		"no docker-compose": {nil, "error: docker-compose is not installed: on Debian, apt-get install"},
		"no engine":         {[]string{"docker", "docker-compose"}, "error: no Docker engine answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := t.TempDir()
			for _, tool := range c.tools { // as they fail without an engine
				text := "#!/bin/sh\nexit 1\n"
				require.NoError(t, os.WriteFile(filepath.Join(bin, tool), []byte(text), 0o700))
			}
			for _, tool := range []string{"sh", "make", "git", "sed"} {
				if path, err := exec.LookPath(tool); err == nil {
					require.NoError(t, os.Symlink(path, filepath.Join(bin, tool)))
				}
			}
			cmd := exec.CommandContext(t.Context(), "make", "COMPOSE=docker-compose", "docker-cli")
			cmd.Dir, cmd.Env = repoRoot(t), []string{"PATH=" + bin, "HOME=" + t.TempDir()}
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "%s", out)
			assert.Contains(t, string(out), c.want)
		})
	}
}
