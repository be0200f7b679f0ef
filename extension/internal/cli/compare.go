package cli

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.k6.io/k6/v2/errext"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare"
)

// compareFlags are the options of `compare`.
type compareFlags struct {
	labels, gates  []string
	strict         bool
	format, output string
}

func (e *edge) compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare BASE.json HEAD.json…",
		Short: "Compare reports: what changed, what is noise, did it get worse",
		Long: "Compares every report with the first one. Exit code 0: no regression;\n" +
			"1: a regression or a failed gate; 2: the input cannot be used.\n\n" +
			"Without gates, a regression is: continuity fell significantly (5 % two-sided) or\n" +
			"is unknown, traces broke in a way that the base never had, an edge between\n" +
			"services lost significantly more parents, or a service is not reached, each more\n" +
			"than chance explains. New ways to break are shown from the first trace on; a\n" +
			"gate such as 'missing == 0' fails on it.\n\n" +
			compare.GateHelp,
		Example: "  k6 x continuity compare main.json pr.json\n" +
			"  k6 x continuity compare main.json pr.json --gate 'continuity >= 0.999' " +
			"--gate 'delta.p95.duration_ms <= 10%'\n" +
			"  k6 x continuity compare main.json pr.json --format markdown --output comment.md",
		Args: atLeast(2, "two or more reports"),
		RunE: func(_ *cobra.Command, args []string) error { return e.compare(args, f) },
	}
	// Arrays, not slices: a gate or a label may hold a comma.
	cmd.Flags().StringArrayVar(&f.labels, "label", nil,
		"name of a run, once per report in the same order (default: the file names)")
	cmd.Flags().StringArrayVar(&f.gates, "gate", nil,
		"condition that every run after the first must meet; may be repeated")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "refuse runs that are not comparable")
	cmd.Flags().StringVar(&f.format, "format", "text", "text, markdown, json or html")
	cmd.Flags().StringVarP(&f.output, "output", "o", "",
		"file to write (default: standard output)")
	return cmd
}

func (e *edge) compare(files []string, f compareFlags) error {
	err := oneOf("--format", f.format, "text", "markdown", "json", "html")
	if err != nil {
		return err
	}
	options := compare.Options{Strict: f.strict, Labels: f.labels}
	for _, expr := range f.gates {
		gate, err := compare.ParseGate(expr)
		if err != nil {
			return unusable(err, "see k6 x continuity compare --help")
		}
		options.Gates = append(options.Gates, gate)
	}
	reports, err := e.readReports(files)
	if err != nil {
		return err
	}
	if len(options.Labels) == 0 {
		options.Labels = fileLabels(files)
	}
	c, err := compare.Compare(reports, options)
	if err != nil {
		return unusable(err, "")
	}
	err = e.write(f.output, func(w io.Writer) error { return e.format(w, c, f) })
	if err != nil {
		return err
	}
	if c.ExitCode() != 0 {
		return errext.WithExitCodeIfNone(errors.New(c.Verdict()), exitRegression)
	}
	return nil
}

func (e *edge) format(w io.Writer, c *compare.Comparison, f compareFlags) error {
	switch f.format {
	case "markdown":
		return compare.WriteMarkdown(w, c)
	case "json":
		return compare.WriteJSON(w, c)
	case "html":
		return compare.WriteHTML(w, c)
	default:
		return compare.WriteText(w, c, compare.TextOptions{Color: e.color(f.output)})
	}
}

// fileLabels names runs by their files: the base names, or the paths as given
// where base names are not distinct.
func fileLabels(files []string) []string {
	labels := make([]string, len(files))
	seen := make(map[string]bool, len(files))
	distinct := true
	for i, name := range files {
		labels[i] = strings.TrimSuffix(filepath.Base(name), ".json")
		distinct = distinct && !seen[labels[i]]
		seen[labels[i]] = true
	}
	if distinct {
		return labels
	}
	return append([]string(nil), files...)
}
