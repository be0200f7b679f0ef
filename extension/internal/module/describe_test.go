package module

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.k6.io/k6/v2/lib"
	_ "go.k6.io/k6/v2/lib/executor" // registers the kinds of scenarios
	"gopkg.in/guregu/null.v3"
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

func TestReportsSayWhatLoadTheyWereMadeUnder(t *testing.T) {
	t.Parallel()
	scenarios := make(lib.ScenarioConfigs)
	require.NoError(t, json.Unmarshal([]byte(`{
		"ramp": {"executor": "ramping-vus", "startVUs": 2, "env": {"TOKEN": "secret"},
			"stages": [{"duration": "10s", "target": 5}], "tags": {"key": "secret"}}
	}`), &scenarios))
	options := lib.Options{
		RPS: null.IntFrom(50), Throw: null.BoolFrom(true), Scenarios: scenarios,
		UserAgent: null.StringFrom("k6/2.2.0 (https://k6.io/)"),
	}
	got := loadOptions(&options)
	assert.Equal(t, map[string]string{
		"k6.rps": "50", "k6.throw": "true",
		"k6.scenarios.ramp.executor": "ramping-vus",
		"k6.scenarios.ramp.stages":   `[{"duration":"10s","target":5}]`,
		"k6.scenarios.ramp.startVUs": "2",
	}, got)
	options.UserAgent = null.StringFrom("mine")
	assert.Equal(t, "mine", loadOptions(&options)["k6.userAgent"])
}

func TestLongOptionsOfTheLoadStillDiffer(t *testing.T) {
	t.Parallel()
	text := func(end string) string {
		out := make(map[string]string)
		putOption(out, "o", []byte(`"`+strings.Repeat("x", 1000)+end+`"`))
		return out["o"]
	}
	assert.NotEqual(t, text("a"), text("b"))
	assert.Less(t, len(text("a")), 200)
}

func TestTheReportHasTheOptionsOfTheLoad(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	defer r.interrupt()
	options := r.snapshot(time.Now()).Run.Options
	assert.Equal(t, "7", options["k6.rps"])
	assert.Equal(t, "1m0s", options["settle"])
}
