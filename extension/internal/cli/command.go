// Package cli is the edge behind `k6 x continuity`: demo services, and the
// commands that show, compare, merge and make reports. It reads arguments and
// files, and leaves every judgement to the core packages.
//
// Exit codes, for all commands: 0 done, 1 compare found a regression or a
// failed gate, 2 the input or the arguments cannot be used.
package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.k6.io/k6/v2/cmd/state"
	"go.k6.io/k6/v2/errext"
	"go.k6.io/k6/v2/errext/exitcodes"
)

// The exit codes that are not success.
const (
	exitRegression exitcodes.ExitCode = 1
	exitUnusable   exitcodes.ExitCode = 2
)

// Command returns the command tree of `k6 x continuity`.
func Command(gs *state.GlobalState) *cobra.Command {
	e := &edge{gs: gs}
	root := &cobra.Command{
		Use:   "continuity",
		Short: "Trace continuity: demo services, reports and comparisons",
		Long: "Shows whether traces survive load, retries and faults: starts the demo services,\n" +
			"and shows, compares, merges and makes the reports that runs of k6/x/continuity write.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unusable(fmt.Errorf("unknown command %q", args[0]),
					"want one of "+strings.Join(names(cmd), ", "))
			}
			return cmd.Help()
		},
	}
	root.AddCommand(e.demoCommand(), e.compareCommand(), e.showCommand(), e.mergeCommand(),
		e.analyzeCommand(), e.versionCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return unusable(err, "see "+cmd.CommandPath()+" --help")
	})
	return root
}

func names(cmd *cobra.Command) []string {
	list := make([]string, 0, len(cmd.Commands()))
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			list = append(list, c.Name())
		}
	}
	return list
}

// unusable marks an error as one of input or arguments: exit code 2. An empty
// hint adds none.
func unusable(err error, hint string) error {
	if err == nil {
		return nil
	}
	if hint != "" {
		err = errext.WithHint(err, hint)
	}
	return errext.WithExitCodeIfNone(err, exitUnusable)
}

// atLeast returns an argument check that wants n reports or more.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return unusable(fmt.Errorf("%s needs %s, got %d", cmd.Name(), what, len(args)),
			"usage: "+cmd.UseLine())
	}
}

// exactly returns an argument check that wants n arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return unusable(fmt.Errorf("%s needs %s, got %d", cmd.Name(), what, len(args)),
			"usage: "+cmd.UseLine())
	}
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unusable(fmt.Errorf("%s takes no arguments, got %q", cmd.Name(), args),
		"usage: "+cmd.UseLine())
}

// oneOf checks the value of an option that has a closed list of values.
func oneOf(option, value string, accepted ...string) error {
	if slices.Contains(accepted, value) {
		return nil
	}
	return unusable(fmt.Errorf("%s must be one of %s, got %q",
		option, strings.Join(accepted, ", "), value), "")
}
