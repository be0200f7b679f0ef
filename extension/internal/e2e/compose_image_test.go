package e2e

import (
	"context"
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
	out, err = s.command(ctx, "docker", append([]string{"inspect", "-f", format}, ids...)...).Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		require.Greater(t, len(fields), 4, line)
		assert.Equal(t, []string{"65532:65532", "healthy", "true", "[ALL]"}, fields[:4], line)
		for _, address := range fields[4:] {
			assert.Equal(t, "127.0.0.1", address, line)
		}
	}
}
