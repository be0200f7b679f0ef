package compare

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// testLabel is the label by which the runners of one test know each other
// (k6's convention for its tag); without it the run ids have to be equal.
const testLabel = "testid"

// operatorLabel is what the k6-operator tags its runners with.
const operatorLabel = "testrun_name"

// evidenceWarning is the warning of a merge that cannot be exact.
const evidenceWarning = "some parts kept less evidence than there was: " +
	"attempts that restarted on another shard may still count as missing"

// otherWarning is the warning of tables that some part could not hold.
const otherWarning = "a part has more rows than fit into a table: what it counts under " +
	report.Other + " may belong to rows that other parts have, and which are too low then"

// ErrForeignPart is what Merge returns for reports that are not parts of one run.
var ErrForeignPart = errors.New("reports are not parts of one run")

// Merge adds the partial reports of one distributed run. The result depends
// neither on their order nor on which are merged first, and the parts are not
// changed. An attempt that one part misses and another part holds a claim for
// counts as restarted, or as undecided if its own trace was split between parts
// or a shard was gone.
//
// The reports of runners without a source of spans are not added to the parts of
// Collectors, which judged the same attempts: they say what was sent. See
// [merger.witness].
func Merge(parts []*report.Report) (*report.Report, error) {
	if len(parts) == 0 {
		return nil, errors.New("merging reports: want one report or more, got none")
	}
	for i, p := range parts {
		if p == nil {
			return nil, fmt.Errorf("merging reports: report %d is nil", i+1)
		}
	}
	if err := cmp.Or(checkTwins(parts), checkSources(parts), checkTests(parts)); err != nil {
		return nil, fmt.Errorf("merging reports: %w", err)
	}
	// Without Collectors every runner stands for its own attempts, judged or not.
	collectors := slices.ContainsFunc(parts, ofCollector)
	all, judges, runners := newMerger(), newMerger(), newMerger()
	for i, p := range parts {
		to := judges
		if p.Run.Source == sourceNone && collectors {
			to = runners
		}
		// All of them have to belong together, whichever they are added to.
		if err := errors.Join(all.belong(p), to.add(p)); err != nil {
			return nil, fmt.Errorf("merging reports: report %d: %w", i+1, err)
		}
		all.identify(p)
	}
	switch {
	case runners.empty():
		return judges.report(), nil
	case judges.empty():
		return runners.report(), nil
	}
	if err := judges.witness(runners); err != nil {
		return nil, fmt.Errorf("merging reports: %w", err)
	}
	return judges.report(), nil
}

// belong checks that a part is of the same run as those before it. What a part
// does not know, such as the script of a Collector's part, is not compared.
func (m *merger) belong(p *report.Report) error {
	if p.SchemaVersion != report.SchemaVersion {
		return fmt.Errorf("%w: schema version %d, want %d",
			ErrForeignPart, p.SchemaVersion, report.SchemaVersion)
	}
	for _, f := range []struct{ what, ours, theirs string }{
		{"test", m.test, testID(p)},
		{"script hash", m.out.Run.ScriptHash, p.Run.ScriptHash},
		{"plan", m.out.Run.Plan, p.Run.Plan},
	} {
		if f.ours != "" && f.theirs != "" && f.ours != f.theirs {
			return fmt.Errorf("%w: %s is %s, but %s before",
				ErrForeignPart, f.what, orNone(f.theirs), orNone(f.ours))
		}
	}
	return nil
}

// merger adds parts up.
type merger struct {
	out      *report.Report
	test     string
	rows     map[string]map[string]*report.Row
	series   seriesSum
	evidence *report.Partial
}

func newMerger() *merger {
	m := &merger{
		out: &report.Report{
			SchemaVersion: report.SchemaVersion,
			Totals:        report.Counts{Verdicts: make(map[string]uint64)},
			By:            make(map[string][]report.Row),
			Histograms:    make(map[string]*report.Histogram),
		},
		rows: make(map[string]map[string]*report.Row),
	}
	for _, dimension := range report.Dimensions() {
		m.rows[dimension] = make(map[string]*report.Row)
	}
	for _, quantity := range report.Quantities() {
		m.out.Histograms[quantity] = report.NewHistogram()
	}
	return m
}

// identify notes of which run a part is.
func (m *merger) identify(p *report.Report) {
	m.addRun(&p.Run)
	m.test = cmp.Or(testID(p), m.test) // a part that names none may be of any
}

func (m *merger) empty() bool { return m.out.Run.Instances == 0 }

func (m *merger) add(p *report.Report) error {
	m.identify(p)
	addCounts(&m.out.Totals, &p.Totals)
	for name, h := range p.Histograms {
		if err := addHistogram(m.out.Histograms, name, h); err != nil {
			return err
		}
	}
	for _, dimension := range report.Dimensions() {
		if err := m.addRows(dimension, p); err != nil {
			return err
		}
	}
	if err := m.series.add(&p.Series); err != nil {
		return err
	}
	m.addLists(p)
	addControl(&m.out.Control, p.Control)
	addSpans(&m.out.Spans, &p.Spans)
	m.out.Examples = append(m.out.Examples, cloneExamples(p.Examples)...)
	m.addEvidence(p.Partial)
	return nil
}

func addHistogram(to map[string]*report.Histogram, name string, h *report.Histogram) error {
	if to[name] == nil {
		to[name] = report.NewHistogram()
	}
	if err := to[name].Merge(h); err != nil {
		return fmt.Errorf("histogram %s: %w", name, err)
	}
	return nil
}

// addRows adds one table. A table of one unnamed row is written as an empty
// one; its row is the part's totals.
func (m *merger) addRows(dimension string, p *report.Report) error {
	rows := p.By[dimension]
	if len(rows) == 0 && p.Totals.Attempts > 0 {
		counts := p.Totals
		counts.HopBreaks = 0
		rows = []report.Row{{Counts: counts, Duration: p.Histograms[histDuration]}}
	}
	for i := range rows {
		to := m.rows[dimension][rows[i].Key]
		if to == nil {
			to = emptyRow(rows[i].Key)
			m.rows[dimension][rows[i].Key] = to
		}
		addCounts(&to.Counts, &rows[i].Counts)
		if err := to.Duration.Merge(rows[i].Duration); err != nil {
			return fmt.Errorf("%s %s: %w", dimension, name(rows[i].Key), err)
		}
	}
	return nil
}

func emptyRow(key string) *report.Row {
	return &report.Row{
		Key: key, Duration: report.NewHistogram(),
		Counts: report.Counts{Verdicts: make(map[string]uint64)},
	}
}

// report finishes the sum. The merger must not be used after it.
func (m *merger) report() *report.Report {
	m.settle()
	r := m.out
	for dimension, rows := range m.rows {
		r.By[dimension] = m.table(dimension, rows)
	}
	r.Series = m.series.report()
	m.sortLists()
	r.Examples = chooseExamples(r.Examples, m.evidence)
	r.Partial = m.evidence
	if e := m.evidence; e != nil && e.MissingDropped+e.ClaimsDropped > 0 {
		r.Warnings = addWarning(r.Warnings, evidenceWarning)
	}
	for _, rows := range m.rows {
		if rows[report.Other] != nil && r.Run.Instances > 1 {
			r.Warnings = addWarning(r.Warnings, otherWarning)
		}
	}
	return r
}

// joined adds a value to a list of different values, written `a, b`.
func joined(list, value string) string {
	if value == "" {
		return list
	}
	var all []string
	for _, s := range []string{list, value} {
		if s != "" {
			all = append(all, strings.Split(s, ", ")...)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}
