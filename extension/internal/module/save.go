package module

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// reportMode lets everybody read a report, as files that programs write are.
const reportMode = 0o644

// save writes a file of the results directory atomically: a reader sees the old
// file or the whole new one.
func save(dir, name string, write func(io.Writer) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Join(dir, name), err)
	}
	defer func() { _ = root.Close() }() // it only names the directory
	temporary := "." + name + ".tmp"
	if err := saveIn(root, temporary, name, write); err != nil {
		_ = root.Remove(temporary) // what was written of it is of no use
		return fmt.Errorf("writing %s: %w", filepath.Join(dir, name), err)
	}
	return nil
}

func saveIn(root *os.Root, temporary, name string, write func(io.Writer) error) error {
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, reportMode)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Rename(temporary, name)
}

// writableDir makes the directory if need be and proves that it can be written.
func writableDir(dir string) error {
	//nolint:gosec // as readable as the reports in it
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the results directory: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("directory %q is not writable: %w", dir, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name())) //nolint:gosec // our own name
}
