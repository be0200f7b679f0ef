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
	judge    *verdict.Judge
	instance string
	started  time.Time
	begun    time.Time // of the window
	counted  report.Spans
	open     map[string]*report.Builder
	tests    map[string]*course // of those that go on
	first    string             // test of all
	several  bool               // whether there was another one
	written  uint64
}

// course is what the parts of one test have covered so far.
type course struct {
	parts       uint64 // written
	end         time.Time
	last        time.Time // when something of the test last settled
	first, lead time.Time // when the window's first and last attempt began
}

func newParts(c Config, instance string, now time.Time) *parts {
	return &parts{
		config: c, judge: verdict.NewJudge(verdict.Options{Expect: c.Expect}), instance: instance,
		started: now, begun: now,
		open: make(map[string]*report.Builder), tests: make(map[string]*course),
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
func (p *parts) add(t *join.Trace, now time.Time) verdict.Outcome {
	outcome := p.judge.Decide(t)
	if len(t.Attempts) > 0 {
		test := testOf(t)
		p.of(test).Add(outcome)
		p.note(test, t, now)
	}
	return outcome
}

// note keeps what the shard's record of a test says of its attempts.
func (p *parts) note(test string, t *join.Trace, now time.Time) {
	c := p.tests[test]
	if c == nil {
		if test == "" || len(p.tests) >= maxTests {
			return
		}
		if p.first == "" {
			p.first = test
		}
		p.several = p.several || p.first != test
		// Numbers that no part had before: a test that comes back begins anew.
		c = &course{parts: p.written + 1, end: p.begun}
		p.tests[test] = c
	}
	c.last = now
	for i := range t.Attempts {
		began := time.Unix(0, t.Attempts[i].Start)
		if c.first.IsZero() || began.Before(c.first) {
			c.first = began
		}
		if began.After(c.lead) {
			c.lead = began
		}
	}
}

// testOf is the test that a trace's load named; empty for none.
func testOf(t *join.Trace) string {
	if test, ok := t.Attempts[0].Labels.Tags.(*string); ok {
		return *test
	}
	return ""
}

// claim keeps claims for merge. Whose attempts they name is not known here, so
// that every test that goes on gets them. The test may also be one of which no
// attempt came here, or not for long: unless there is but one, the part without a
// test has the claims as well.
func (p *parts) claim(claims []report.Claim) {
	if len(claims) == 0 {
		return
	}
	tests := slices.Collect(maps.Keys(p.tests))
	if len(tests) == 0 || p.several {
		tests = append(tests, "")
	}
	for _, test := range tests {
		b := p.of(test)
		for _, c := range claims {
			b.AddClaim(c)
		}
	}
}

// write writes the window's reports and begins the next window. A report that
// cannot be written stays, and the next window adds to it. A test that goes on
// has a part in every window, even an empty one, so that merge can tell a shard
// that is idle from one that is gone; the last one is final.
func (p *parts) write(spans report.Spans, stopped bool, now time.Time) error {
	for test := range p.tests {
		p.of(test)
	}
	if len(p.open) > 1 {
		p.of("") // the ledger of spans is of no test, and has to be in the merge of each
	}
	var errs []error
	for i, test := range slices.Sorted(maps.Keys(p.open)) {
		b := p.open[test]
		b.SetSpans(report.Spans{}) // of a part that could not be written before
		if i == 0 {                // the ledger of spans is this shard's, not a test's
			grown := growth(spans, p.counted)
			b.SetSpans(grown)
			warnOfRoom(b, grown)
		}
		p.sign(b, test, stopped, now)
		err := writeFile(p.config.Directory, p.freeName(), func(w io.Writer) error {
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
		p.proceed(test, now)
	}
	if len(p.open) == 0 {
		p.begun = now
	}
	return errors.Join(errs...)
}

// freeName is a file name that no part has: a Collector that was started again at
// once, or another one of the same name, must not write over what is there.
func (p *parts) freeName() string {
	for ; ; p.written++ {
		name := fmt.Sprintf("%s-%s-%04d.json",
			p.begun.UTC().Format("20060102T150405Z"), p.instance, p.written)
		if _, err := os.Lstat(filepath.Join(p.config.Directory, name)); err != nil {
			return name
		}
	}
}

// sign puts the shard's record into a part.
func (p *parts) sign(b *report.Builder, test string, stopped bool, now time.Time) {
	c := p.tests[test]
	if c == nil {
		return
	}
	b.SetShard(report.Shard{
		Instance: p.instance, Started: p.started, First: c.parts + 1, Last: c.parts + 1,
		Begin: c.end, End: now, FirstAttempt: c.first, LastAttempt: c.lead,
		Final: stopped || p.quiet(c, now), Stopped: stopped,
		SettleMS: int(p.config.Settle.Milliseconds()), Shards: p.config.Shards,
	})
}

// quiet reports whether so much time has passed since something of a test
// settled that nothing of it can be under way.
func (p *parts) quiet(c *course, now time.Time) bool {
	return now.Sub(c.last) >= max(p.config.Window, 2*p.config.Settle)
}

// proceed begins a test's next part; one that was quiet is over.
func (p *parts) proceed(test string, now time.Time) {
	c := p.tests[test]
	switch {
	case c == nil:
	case p.quiet(c, now):
		delete(p.tests, test)
	default:
		*c = course{parts: c.parts + 1, end: now, last: c.last}
	}
}

// warnOfRoom warns of what was given up for want of room.
func warnOfRoom(b *report.Builder, grown report.Spans) {
	if grown.Dropped > 0 {
		b.Warn("spans were dropped for want of room: attempts of that time without " +
			"a SERVER span are undecided; raise max_waiting or add shards")
	}
	if grown.Evicted > 0 {
		b.Warn("traces settled early for want of room: raise max_traces or add shards")
	}
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
