package module

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.k6.io/k6/v2/cmd"
	"go.k6.io/k6/v2/js/modules"
	"go.uber.org/goleak"
)

// runAsK6 makes the test binary k6 with this module in it.
const runAsK6 = "CONTINUITY_TEST_RUN_AS_K6"

func TestMain(m *testing.M) {
	if os.Getenv(runAsK6) != "" {
		modules.Register(Name, New())
		cmd.Execute() // exits
	}
	goleak.VerifyTestMain(m)
}

// k6Run is a whole run of k6 in a process of its own.
type k6Run struct {
	code           int
	stdout, stderr string
}

// runK6 runs k6 in dir, with source `none` unless the environment says otherwise.
func runK6(tb testing.TB, dir string, env []string, args ...string) k6Run {
	tb.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Dir = dir
	command.Env = append(os.Environ(), runAsK6+"=1", "K6_CONTINUITY_SOURCE=none",
		"K6_CONTINUITY_HTML=false", "K6_CONTINUITY_RESULTS="+dir, "K6_NO_USAGE_REPORT=true",
		"NO_COLOR=1")
	command.Env = append(command.Env, env...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		exit := new(exec.ExitError)
		require.ErrorAs(tb, err, &exit)
	}
	return k6Run{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
