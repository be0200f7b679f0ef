package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

func (e *edge) mergeCommand() *cobra.Command {
	var output, test string
	cmd := &cobra.Command{
		Use:   "merge --output MERGED.json PART.json…",
		Short: "Merge the partial reports of one distributed run",
		Long: "Adds the partial reports that several runners or Collectors wrote of one run.\n" +
			"The result does not depend on their order. Parts of different runs are refused,\n" +
			"unless --test names the one to merge. The reports of runners without a source of\n" +
			"spans tell which attempts were sent; what no Collector judged is undecided.\n\n" +
			"Of Collectors' parts verdicts, durations and the series are exact; the tables of\n" +
			"edges and services leave out traces that restarted on another shard, which a\n" +
			"single process would have seen, and restarts that it would infer are missing.",
		Example: "  k6 x continuity merge --output run.json runner-1.json runner-2.json",
		Args:    atLeast(1, "one or more partial reports"),
		RunE:    func(_ *cobra.Command, args []string) error { return e.merge(args, output, test) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "",
		"file to write, - for standard output (required)")
	cmd.Flags().StringVar(&test, "test", "",
		"leave out the parts of other tests than this one, by their label testid or testrun_name")
	return cmd
}

func (e *edge) merge(files []string, output, test string) error {
	if output == "" {
		return unusable(errors.New("merge needs --output"), "--output - writes to standard output")
	}
	parts, err := e.readReports(files)
	if err != nil {
		return err
	}
	others := 0
	if test != "" {
		parts, others = compare.OfTest(parts, test)
		if len(parts) == 0 {
			return unusable(fmt.Errorf("none of the %d reports is of test %q", others, test),
				"--test is the value of the runners' --tag testid, or the name of the TestRun")
		}
	}
	merged, err := compare.Merge(parts)
	if err != nil {
		return unusable(err, "merge adds parts of one run; compare sets runs side by side")
	}
	err = e.write(output, func(w io.Writer) error { return report.WriteJSON(w, merged) })
	if err != nil || output == "-" {
		return err
	}
	left := ""
	if others > 0 {
		left = fmt.Sprintf(", left out %d of other tests", others)
	}
	_, err = fmt.Fprintf(e.gs.Stdout, "merged %d reports into %s%s\n", len(parts), output, left)
	if err != nil {
		return err
	}
	for _, warning := range merged.Warnings {
		_, err = fmt.Fprintf(e.gs.Stdout, "warning: %s\n", report.Printable(warning))
		if err != nil {
			return err
		}
	}
	return nil
}
