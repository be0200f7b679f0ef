package collector

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// maxTests bounds the tests of one window that are told apart; the rest share
// the report of unknown tests.
const maxTests = 100

// parts are the partial reports of the window under way, one per test. It is
// not safe for concurrent use.
type parts struct {
	config   Config
	instance string
	begun    time.Time // of the window
	counted  report.Spans
	open     map[string]*report.Builder
	tests    map[string]bool // seen since the start
	written  int
}

func newParts(c Config, instance string, now time.Time) *parts {
	return &parts{
		config: c, instance: instance, begun: now,
		open: make(map[string]*report.Builder), tests: make(map[string]bool),
	}
}

// of is the report of a test.
func (p *parts) of(test string) *report.Builder {
	if b := p.open[test]; b != nil {
		return b
	}
	if len(p.open) >= maxTests {
		test = ""
		if b := p.open[test]; b != nil {
			return b
		}
	}
	labels := maps.Clone(p.config.Labels)
	if test != "" && labels["testid"] == "" {
		if labels == nil {
			labels = make(map[string]string)
		}
		labels["testid"] = test
	}
	// Without a test's name a part has no id either: it merges with any run.
	b := report.NewBuilder(report.Run{
		ID: test, Start: p.begun, Labels: labels, Source: "collector=" + p.instance,
	}, report.BuilderOptions{Partial: true})
	p.open[test] = b
	return b
}

// add judges a settled trace.
func (p *parts) add(t *join.Trace) verdict.Outcome {
	outcome := verdict.Judge(t, verdict.Options{Expect: p.config.Expect})
	if len(t.Attempts) > 0 {
		test := testOf(t)
		if len(p.tests) < maxTests {
			p.tests[test] = true
		}
		p.of(test).Add(outcome)
	}
	return outcome
}

// testOf is the test that a trace's load named; empty for none.
func testOf(t *join.Trace) string {
	if test, ok := t.Attempts[0].Labels.Tags.(*string); ok {
		return *test
	}
	return ""
}

// claim keeps claims for merge. Whose attempts they name is not known here, so
// that every test gets them.
func (p *parts) claim(claims []report.Claim) {
	if len(claims) == 0 {
		return
	}
	tests := slices.Collect(maps.Keys(p.tests))
	if len(tests) == 0 {
		tests = []string{""}
	}
	for _, test := range tests {
		b := p.of(test)
		for _, c := range claims {
			b.AddClaim(c)
		}
	}
}

// write writes the window's reports and begins the next window. A report that
// cannot be written stays, and the next window adds to it.
func (p *parts) write(spans report.Spans, now time.Time) error {
	var errs []error
	for i, test := range slices.Sorted(maps.Keys(p.open)) {
		b := p.open[test]
		if i == 0 { // spans are counted per shard, not per test
			grown := growth(spans, p.counted)
			b.SetSpans(grown)
			if grown.Dropped > 0 {
				b.Warn("spans were dropped for want of room: attempts of that time without " +
					"a SERVER span are undecided; raise max_waiting or add shards")
			}
			if grown.Evicted > 0 {
				b.Warn("traces settled early for want of room: raise max_traces or add shards")
			}
		}
		name := fmt.Sprintf("%s-%s-%04d.json",
			p.begun.UTC().Format("20060102T150405Z"), p.instance, p.written)
		err := writeFile(p.config.Directory, name, func(w io.Writer) error {
			return report.WriteJSON(w, b.Report(now)) //nolint:wrapcheck // says enough
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.written++
		if i == 0 {
			p.counted = spans
		}
		delete(p.open, test)
	}
	if len(p.open) == 0 {
		p.begun = now
	}
	return errors.Join(errs...)
}

// growth is what has been counted since before.
func growth(now, before report.Spans) report.Spans {
	now.Received -= before.Received
	now.Rejected -= before.Rejected
	now.Redelivered -= before.Redelivered
	now.Foreign -= before.Foreign
	now.Late -= before.Late
	now.Truncated -= before.Truncated
	now.Evicted -= before.Evicted
	now.Dropped -= before.Dropped
	return now
}

// writeFile writes a file of the directory that appears only when it is complete.
func writeFile(dir, name string, write func(io.Writer) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() { _ = root.Close() }() // nothing was written through it
	hidden := "." + name + ".part"
	f, err := root.OpenFile(hidden, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(hidden, name)
	}
	if err != nil {
		_ = root.Remove(hidden) // the error that counts is the first
		return fmt.Errorf("writing %s: %w", filepath.Join(dir, name), err)
	}
	return nil
}

// writableDir makes the directory if need be and proves that it can be written.
func writableDir(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making directory %q: %w", dir, err)
	}
	err := writeFile(dir, ".probe", func(io.Writer) error { return nil })
	if err != nil {
		return fmt.Errorf("directory %q is not writable: %w", dir, err)
	}
	if err := os.Remove(filepath.Join(dir, ".probe")); err != nil {
		return fmt.Errorf("directory %q is not writable: %w", dir, err)
	}
	return nil
}
