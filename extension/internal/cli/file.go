package cli

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"go.k6.io/k6/v2/cmd/state"
	"golang.org/x/sync/errgroup"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// edge is what the commands share: k6's view of the process.
type edge struct{ gs *state.GlobalState }

// path makes a file argument absolute.
func (e *edge) path(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	dir, err := e.gs.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the working directory: %w", err)
	}
	return filepath.Join(dir, name), nil
}

// readReport reads one report; every failure is unusable input.
func (e *edge) readReport(name string) (*report.Report, error) {
	full, err := e.path(name)
	if err != nil {
		return nil, unusable(err, "")
	}
	f, err := e.gs.FS.Open(full)
	if err != nil {
		return nil, unusable(fmt.Errorf("reading report %s: %w", name, cause(err)),
			"runs write their reports to results/<run id>.json")
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, unusable(fmt.Errorf("reading report %s: it is a directory", name),
			"name the .json file in it")
	}
	r, err := report.ReadJSON(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return nil, unusable(fmt.Errorf("reading report %s: %w", name, err), "")
	}
	return r, nil
}

// readReports reads reports side by side. Of several that cannot be read, the
// first in order is the error.
func (e *edge) readReports(files []string) ([]*report.Report, error) {
	reports, errs := make([]*report.Report, len(files)), make([]error, len(files))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0)) // the largest ones take tens of megabytes
	for i, name := range files {
		group.Go(func() error {
			reports[i], errs[i] = e.readReport(name)
			return nil
		})
	}
	_ = group.Wait() // the errors are in order in errs
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return reports, nil
}

// write runs a writer on the output: standard output for "" or "-", else a
// file that appears only when it is complete.
func (e *edge) write(output string, write func(io.Writer) error) error {
	if output == "" || output == "-" {
		w := bufio.NewWriter(e.gs.Stdout)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	}
	full, err := e.path(output)
	if err == nil {
		err = e.replace(full, write)
	}
	if err != nil {
		return unusable(fmt.Errorf("writing --output %s: %w", output, cause(err)), "")
	}
	return nil
}

// cause strips the path from a file system error: messages name files as they
// were given.
func cause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// replace writes to a temporary file beside full and renames it over full.
func (e *edge) replace(full string, write func(io.Writer) error) (err error) {
	var nonce [4]byte
	_, _ = rand.Read(nonce[:]) // never fails (crypto/rand)
	temp := full + "." + hex.EncodeToString(nonce[:]) + ".tmp"
	f, err := e.gs.FS.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = e.gs.FS.Remove(temp)
		}
	}()
	w := bufio.NewWriter(f)
	err = errors.Join(write(w), w.Flush(), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return e.gs.FS.Rename(temp, full)
}

// color reports whether text output may use colour.
func (e *edge) color(output string) bool {
	return (output == "" || output == "-") && e.gs.Stdout.IsTTY && !e.gs.Flags.NoColor
}
