package module

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// shutdownTimeout bounds each of the steps after settling.
const shutdownTimeout = 10 * time.Second

// newRunID is sortable by time and unique enough for one results directory.
func newRunID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// testEnd settles, writes the report and shows the summary. It runs before k6
// calculates its thresholds for the last time.
func (r *run) testEnd() {
	if !r.started.Load() {
		return
	}
	r.faults.stop(r.warn)
	ended := time.Now() // what follows is no load
	flushed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		flushed <- r.provider.Shutdown(ctx)
	}()
	r.checkpoint()
	r.settler.finish(os.Stderr)
	if err := <-flushed; err != nil {
		r.warn(fmt.Sprintf("exporting the last client spans: %v", err))
	}
	r.closeSource()
	r.settler.count(time.Now())
	final := r.snapshot(ended)
	paths, err := r.write(final)
	if err != nil {
		r.log.WithError(err).Error("continuity: writing the report")
	}
	if !r.quiet {
		r.printSummary(os.Stdout, final, paths)
	}
}

func (r *run) closeSource() {
	r.closeFeed()
	if r.receiver == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := r.receiver.Shutdown(ctx); err != nil {
		r.warn(fmt.Sprintf("closing the OTLP receiver: %v", err))
	}
}

// exit takes the proxies down when the process ends.
func (r *run) exit() {
	r.faults.stop(r.warn) // of a run that never came to its end
	r.faults.close(r.warn)
}

// isTerminal reports whether a file is a terminal that shows colours.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// spans is the ledger of all spans, the load's and the services'.
func (r *run) spans() report.Spans {
	var s report.Spans
	ledger := r.provider.Stats()
	s.Started, s.Exported, s.Failed = ledger.Started, ledger.Exported, ledger.Failed
	s.Dropped, s.InFlight = ledger.Dropped, ledger.InFlight
	joined := r.store.Stats()
	s.Received, s.Foreign, s.Redelivered = joined.Spans, joined.Foreign, joined.Redelivered
	s.Late, s.Truncated, s.Evicted = joined.Late, joined.Truncated, joined.Evicted
	if r.receiver != nil {
		s.Rejected = r.receiver.Stats().Rejected
	}
	s.HookErrors, s.Excluded = r.hookErrors.Load(), r.excluded.Load()
	return s
}

// snapshot is the report so far, of a load that ends at a moment.
func (r *run) snapshot(end time.Time) *report.Report {
	r.builder.SetSpans(r.spans())
	r.faults.report(r.builder, r.warn)
	if o := r.options.Load(); o != nil && !r.described.Swap(true) {
		r.builder.SetOptions(loadOptions(o)) // the builder keeps them
	}
	return r.builder.Report(end)
}

func (r *run) path(suffix string) string {
	return filepath.Join(r.settings.results, r.id+suffix)
}

// partialSuffix ends the name of the report so far.
const partialSuffix = ".partial.json"

// checkpoint saves the report so far, so that a killed run leaves what was
// settled by then: it is a report like any other, for `k6 x continuity show` and
// compare. The file goes when the report is written. The end of the load can fall
// on a tick of the settler, and both write the same file.
func (r *run) checkpoint() {
	r.saving.Lock()
	defer r.saving.Unlock()
	soFar := r.snapshot(time.Now())
	soFar.Warnings = append(soFar.Warnings, report.Unfinished)
	err := save(r.settings.results, r.id+partialSuffix, func(w io.Writer) error {
		return report.WriteJSON(w, soFar)
	})
	if err != nil {
		r.log.WithError(err).Warn("continuity: saving the report so far")
	}
}

// form is one of the files that a report is written to.
type form struct {
	suffix string
	write  func(io.Writer) error
}

// write writes the report in all its forms and returns their paths.
func (r *run) write(final *report.Report) ([]string, error) {
	forms := []form{
		{".json", func(w io.Writer) error { return report.WriteJSON(w, final) }},
	}
	if r.settings.html {
		options := report.HTMLOptions{TraceURL: r.settings.traceURL}
		forms = append(forms, form{".html", func(w io.Writer) error {
			return report.WriteHTML(w, final, options)
		}})
	}
	var paths []string
	var errs []error
	for _, f := range forms {
		if err := save(r.settings.results, r.id+f.suffix, f.write); err != nil {
			errs = append(errs, err)
			continue
		}
		paths = append(paths, r.path(f.suffix))
	}
	if len(errs) == 0 {
		_ = os.Remove(r.path(partialSuffix)) // superseded; a leftover does no harm
	}
	return paths, errors.Join(errs...)
}

func (r *run) printSummary(w io.Writer, final *report.Report, paths []string) {
	var b bytes.Buffer
	options := report.TextOptions{Color: isTerminal(os.Stdout), Paths: paths}
	if err := report.WriteText(&b, final, options); err != nil {
		r.log.WithError(err).Error("continuity: writing the summary")
		return
	}
	_, _ = w.Write(b.Bytes()) // a closed standard output is the user's choice
}
