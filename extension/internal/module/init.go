package module

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/modules"
)

// scriptInfo identifies the script of the run.
type scriptInfo struct{ name, hash, dir string }

// init takes what only the init context knows and subscribes to the events of
// the run, once.
func (r *run) init(vu modules.VU) error {
	env := vu.InitEnv()
	r.mu.Lock()
	defer r.mu.Unlock()
	if env == nil || r.instruments != nil {
		return nil
	}
	instruments, err := newInstruments(env.Registry)
	if err != nil {
		return err
	}
	if env.Logger != nil {
		r.log = env.Logger
	}
	if env.LookupEnv != nil {
		r.lookup = env.LookupEnv
	}
	r.instruments = instruments
	r.quiet = env.RuntimeOptions.SummaryMode.String == "disabled"
	r.script = readScript(os.Args)
	return subscribe(vu.Events(), map[string]func(){
		"TestEnd": r.testEnd, "Exit": r.exit,
	})
}

// configure applies the options of configure(). Every VU runs the init code, so
// the same options come again and again; different ones are an error.
func (r *run) configure(rt *sobek.Runtime, value sobek.Value) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := defaultSettings()
	if err := readSettings(rt, value, &s); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return err
	}
	if r.started.Load() || r.configured {
		return r.sameSettings(s)
	}
	r.settings, r.configured = s, true
	return nil
}

var errConfiguredTwice = errors.New("configure() was called again with other options: " +
	"call it once, with options that are the same in every VU")

func (r *run) sameSettings(s settings) error {
	if err := s.applyEnv(r.lookup); err != nil {
		return err
	}
	current := r.settings
	if err := current.applyEnv(r.lookup); err != nil {
		return err
	}
	if !reflect.DeepEqual(current, s) {
		return errConfiguredTwice
	}
	return nil
}

// readScript finds the script among k6's arguments and hashes it.
func readScript(args []string) scriptInfo {
	for _, arg := range args {
		if !slices.Contains([]string{".js", ".ts", ".tar"}, filepath.Ext(arg)) {
			continue
		}
		if sum, err := hashFile(arg); err == nil {
			return scriptInfo{name: filepath.Base(arg), hash: sum, dir: scriptDir(arg)}
		}
	}
	return scriptInfo{}
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the script that k6 itself runs
	if err != nil {
		return "", fmt.Errorf("reading the script: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading the script: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// k6Version is the version of k6 that this binary was built with.
func k6Version() string { return dependency("go.k6.io/k6/v2") }

// moduleVersion is this extension's own version; "(devel)" when it was built
// from a directory.
func moduleVersion() string { return dependency("github.com/xk6-continuity/xk6-continuity") }

func dependency(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == path {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path != path {
			continue
		}
		if dep.Replace != nil {
			return "(devel)"
		}
		return dep.Version
	}
	return "unknown"
}
