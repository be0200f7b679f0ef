package module

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommitOfTheScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.Empty(t, commit(""))
	git := func(args ...string) {
		out, err := exec.Command("git", append([]string{
			"-C", dir, "-c", "user.name=n", "-c", "user.email=e@example.com",
		}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	file := filepath.Join(dir, "script.js")
	require.NoError(t, os.WriteFile(file, []byte("1"), 0o600))
	git("init", "-q")
	git("add", "script.js")
	git("commit", "-qm", "one")
	assert.Regexp(t, "^[0-9a-f]{40}$", commit(dir))
	require.NoError(t, os.WriteFile(file, []byte("2"), 0o600))
	assert.Regexp(t, "^[0-9a-f]{40}-dirty$", commit(dir))
}

func TestReportsSayHowTheyWereSampledAndSettled(t *testing.T) {
	t.Parallel()
	env := map[string]string{}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	assert.Equal(t, "parentbased_always_on", sampling(lookup))
	env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"] = "traceidratio", "0.25"
	assert.Equal(t, "traceidratio=0.25", sampling(lookup))

	s := settings{settle: 5 * time.Second, linger: time.Second, maxTraces: 7, sample: 1}
	assert.Equal(t, map[string]string{"settle": "5s", "linger": "1s", "max_traces": "7"},
		s.describe())
	s.sample, s.expect = 0.5, []string{"a", "b"}
	assert.Equal(t, "0.5", s.describe()["sample"])
	assert.Equal(t, "a, b", s.describe()["expect"])
}
