package cli

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// traceIDPlace is where a trace URL template takes the trace id.
const traceIDPlace = "{trace_id}"

// showFlags are the options of `show`.
type showFlags struct {
	format, output, traceURL string
}

func (e *edge) showCommand() *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show REPORT.json",
		Short: "Show a report as text, Markdown, JSON or HTML",
		Example: "  k6 x continuity show results/run.json\n" +
			"  k6 x continuity show results/run.json --format html --output run.html " +
			"--trace-url 'http://localhost:16686/trace/{trace_id}'",
		Args: exactly(1, "one report"),
		RunE: func(_ *cobra.Command, args []string) error { return e.show(args[0], f) },
	}
	f.add(cmd.Flags())
	return cmd
}

// add registers the options that commands share which show a report.
func (f *showFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.format, "format", "text", "text, markdown, json or html")
	flags.StringVarP(&f.output, "output", "o", "", "file to write (default: standard output)")
	flags.StringVar(&f.traceURL, "trace-url", "",
		"address of a trace in your tracing UI, with {trace_id} in it (html only)")
}

// check validates the options.
func (f *showFlags) check() error {
	if err := oneOf("--format", f.format, "text", "markdown", "json", "html"); err != nil {
		return err
	}
	return f.checkTraceURL()
}

func (e *edge) show(file string, f showFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	r, err := e.readReport(file)
	if err != nil {
		return err
	}
	return e.writeReport(r, f)
}

func (e *edge) writeReport(r *report.Report, f showFlags) error {
	return e.write(f.output, func(w io.Writer) error {
		switch f.format {
		case "markdown":
			return report.WriteMarkdown(w, r)
		case "json":
			return report.WriteJSON(w, r)
		case "html":
			return report.WriteHTML(w, r, report.HTMLOptions{TraceURL: f.traceURL})
		default:
			return report.WriteText(w, r, report.TextOptions{Color: e.color(f.output)})
		}
	})
}

// checkTraceURL wants an http(s) address with a place for the trace id.
func (f *showFlags) checkTraceURL() error {
	if f.traceURL == "" {
		return nil
	}
	if f.format != "html" {
		return unusable(errors.New("--trace-url needs --format html"), "")
	}
	u, err := url.Parse(strings.ReplaceAll(f.traceURL, traceIDPlace, "0"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		!strings.Contains(f.traceURL, traceIDPlace) {
		return unusable(fmt.Errorf(
			"--trace-url must be an http or https address with %s in it and without a password, "+
				"got %q", traceIDPlace, redacted(f.traceURL, u)), "")
	}
	return nil
}

// redacted is an address as it may be shown: without its password.
func redacted(address string, u *url.URL) string {
	if u == nil || u.User == nil {
		return address
	}
	return u.Redacted()
}
