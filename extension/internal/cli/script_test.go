package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"go.k6.io/k6/v2/cmd/state"
	"go.k6.io/k6/v2/errext"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/cli"
)

// TestScripts runs testdata/script/*.txtar: every command of `k6 x continuity`
// in this process, with its output, files and exit code.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(e *testscript.Env) error { return writeFixtures(e.WorkDir) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"continuity": scriptContinuity,
		},
	})
}

// scriptContinuity is `continuity CODE [args…]`: it runs the command and wants
// that exit code. It is never negated.
func scriptContinuity(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: continuity CODE [args…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	c := console{
		ctx: context.Background(), dir: ts.MkAbs("."), stdout: ts.Stdout(), stderr: ts.Stderr(),
	}
	if got := c.run(args[1:]...); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// console is where a command runs.
type console struct {
	ctx            context.Context
	dir            string
	stdout, stderr io.Writer
	notify         func(chan<- os.Signal, ...os.Signal) // nil: the process's own signals
}

// run does what k6 does around a subcommand: the command tree, the error on one
// line with its hint, the exit code.
func (c console) run(args ...string) int {
	gs := state.NewGlobalState(c.ctx)
	gs.Getwd = func() (string, error) { return c.dir, nil }
	gs.Stdout.Writer, gs.Stdout.IsTTY = c.stdout, false
	gs.Stderr.Writer, gs.Stderr.IsTTY = c.stderr, false
	if c.notify != nil {
		gs.SignalNotify, gs.SignalStop = c.notify, func(chan<- os.Signal) {}
	}

	root := &cobra.Command{Use: "k6", SilenceUsage: true, SilenceErrors: true}
	x := &cobra.Command{Use: "x"}
	root.AddCommand(x)
	x.AddCommand(cli.Command(gs))
	root.SetArgs(append([]string{"x", "continuity"}, args...))
	root.SetOut(gs.Stdout)
	root.SetErr(gs.Stderr)

	err := root.Execute()
	if err == nil {
		return 0
	}
	text, fields := errext.Format(err)
	_, _ = fmt.Fprintf(c.stderr, "error: %s\n", text)
	if hint, ok := fields["hint"]; ok {
		_, _ = fmt.Fprintf(c.stderr, "hint: %v\n", hint)
	}
	if coded, ok := errors.AsType[errext.HasExitCode](err); ok {
		return int(coded.ExitCode())
	}
	return 255
}
