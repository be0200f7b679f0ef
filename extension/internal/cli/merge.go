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
	var output string
	cmd := &cobra.Command{
		Use:   "merge --output MERGED.json PART.json…",
		Short: "Merge the partial reports of one distributed run",
		Long: "Adds the partial reports that several runners or Collectors wrote of one run.\n" +
			"The result does not depend on their order. Parts of different runs are refused.",
		Example: "  k6 x continuity merge --output run.json runner-1.json runner-2.json",
		Args:    atLeast(1, "one or more partial reports"),
		RunE:    func(_ *cobra.Command, args []string) error { return e.merge(args, output) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "",
		"file to write, - for standard output (required)")
	return cmd
}

func (e *edge) merge(files []string, output string) error {
	if output == "" {
		return unusable(errors.New("merge needs --output"), "--output - writes to standard output")
	}
	parts, err := e.readReports(files)
	if err != nil {
		return err
	}
	merged, err := compare.Merge(parts)
	if err != nil {
		return unusable(err, "merge adds parts of one run; compare sets runs side by side")
	}
	err = e.write(output, func(w io.Writer) error { return report.WriteJSON(w, merged) })
	if err != nil || output == "-" {
		return err
	}
	_, err = fmt.Fprintf(e.gs.Stdout, "merged %d reports into %s\n", len(parts), output)
	return err
}
