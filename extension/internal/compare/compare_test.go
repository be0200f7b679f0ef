package compare

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

func good(t *testing.T) *report.Report {
	t.Helper()
	return made(t, "good", 1,
		group{phase: "baseline", name: "GET /checkout", number: 1, verdict: verdict.Continued, n: 4000, ms: 10},
		group{phase: "503s", name: "GET /checkout", number: 1, verdict: verdict.Continued, n: 3000, ms: 10},
		group{phase: "503s", name: "GET /checkout", number: 1, verdict: verdict.NotDelivered, n: 900, ms: 2},
		group{phase: "503s", name: "GET /checkout", number: 2, verdict: verdict.Continued, n: 900, ms: 11})
}

func dropped(t *testing.T) *report.Report {
	t.Helper()
	return made(t, "dropped", 2,
		group{phase: "baseline", name: "GET /checkout", number: 1, verdict: verdict.Continued, n: 3960, ms: 10},
		group{phase: "baseline", name: "GET /checkout", number: 1, verdict: verdict.Restarted, n: 40, ms: 10},
		group{phase: "503s", name: "GET /checkout", number: 1, verdict: verdict.Continued, n: 2970, ms: 13},
		group{phase: "503s", name: "GET /checkout", number: 1, verdict: verdict.Restarted, n: 30, ms: 13},
		group{phase: "503s", name: "GET /checkout", number: 1, verdict: verdict.NotDelivered, n: 910, ms: 2},
		group{phase: "503s", name: "GET /checkout", number: 2, verdict: verdict.Continued, n: 910, ms: 14})
}

func compared(t *testing.T, o Options, reports ...*report.Report) *Comparison {
	t.Helper()
	c, err := Compare(reports, o)
	require.NoError(t, err)
	return c
}

func TestARunComparedWithItselfIsEqualInEveryRow(t *testing.T) {
	t.Parallel()
	r := dropped(t)
	c := compared(t, Options{}, r, r)
	assert.Equal(t, 0, c.ExitCode())
	assert.Equal(t, "no regression", c.Verdict())
	assert.Empty(t, c.Warnings)
	for _, table := range c.Heads[0].Tables {
		for _, row := range table.Rows {
			assert.Equal(t, MarkEqual, row.Mark, "%s: %s", table.Title, row.Name)
		}
	}
}

func TestLostContextIsARegressionWithItsRowsAndTracesNamed(t *testing.T) {
	t.Parallel()
	c := compared(t, Options{Labels: []string{"main", "pr"}}, good(t), dropped(t))
	assert.Equal(t, 1, c.ExitCode())
	assert.Contains(t, c.Verdict(), "regression: pr: continuity fell from 100.00 % to 99.12 %")
	h := c.Heads[0]
	assert.Equal(t, MarkWorse, h.row(tableRun, "continuity").Mark)
	assert.Equal(t, MarkWorse, h.row(tableRun, "restarted").Mark)
	assert.Equal(t, MarkNoise, h.row(tableRun, "not_delivered").Mark)
	assert.Equal(t, MarkWorse, h.row("continuity by phase", "baseline").Mark)
	assert.Equal(t, MarkEqual, h.row("continuity by attempt", "2").Mark)
	require.Len(t, h.NewBreaks, 1)
	b := h.NewBreaks[0]
	assert.Equal(t, "restarted", b.Kind)
	assert.Equal(t, uint64(70), b.Count)
	require.Len(t, b.Examples, maxExamples)
	assert.Len(t, b.Examples[0].TraceID, 32)
	assert.Equal(t, "restarted", b.Examples[0].Verdict)
}

func TestTheOtherWayRoundIsAnImprovement(t *testing.T) {
	t.Parallel()
	c := compared(t, Options{}, dropped(t), good(t))
	assert.Equal(t, 0, c.ExitCode())
	assert.Equal(t, MarkBetter, c.Heads[0].row(tableRun, "continuity").Mark)
	assert.Empty(t, c.Heads[0].NewBreaks)
}

func TestChanceIsNoRegression(t *testing.T) {
	t.Parallel()
	run := func(missing int) *report.Report { return withMissing(t, 5000, missing) }
	c := compared(t, Options{}, run(10), run(17))
	assert.Equal(t, 0, c.ExitCode())
	assert.Equal(t, MarkNoise, c.Heads[0].row(tableRun, "continuity").Mark)
	assert.Equal(t, 1, compared(t, Options{}, run(10), run(40)).ExitCode())
	c = compared(t, Options{}, run(0), run(1))
	assert.Equal(t, 0, c.ExitCode())
	assert.Len(t, c.Heads[0].NewBreaks, 1, "it is shown all the same")
	assert.Equal(t, 1, compared(t, Options{}, run(0), run(12)).ExitCode())
}

func TestBreaksThatAToxicCausedAreNotNew(t *testing.T) {
	t.Parallel()
	base := made(t, "base", 4,
		group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, n: 1000, ms: 10})
	head := made(t, "head", 5,
		group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, n: 999, ms: 10},
		group{phase: "a", name: "n", number: 1, verdict: verdict.Restarted, n: 1, ms: 10, injected: true})
	c := compared(t, Options{}, base, head)
	assert.Empty(t, c.Heads[0].NewBreaks)
	assert.Equal(t, 0, c.ExitCode())
}

func TestHopsThatLoseTheirParentAreARegression(t *testing.T) {
	t.Parallel()
	run := func(orphans, reached, n int) *report.Report {
		edge := func(orphans uint64) []verdict.Edge {
			return []verdict.Edge{{From: "gateway", To: "pricing", Spans: 1, Orphans: orphans}}
		}
		g := group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, ms: 1}
		clean, orphaned, alone := g, g, g
		clean.n, clean.edges = reached-orphans, edge(0)
		clean.services = []verdict.Presence{{Service: "pricing", Connected: true}}
		orphaned.n, orphaned.edges = orphans, edge(1)
		orphaned.services = clean.services
		alone.n = n - reached
		return made(t, "run", 7, clean, orphaned, alone)
	}
	for name, c := range map[string]struct {
		base, head *report.Report
		want       string
	}{
		"the first orphan proves nothing":   {run(0, 500, 500), run(1, 500, 500), ""},
		"orphans are a new kind of break":   {run(0, 500, 500), run(8, 500, 500), "run: new kind of break: orphans on gateway -> pricing, 8 of 500"},
		"more orphans than before":          {run(5, 500, 500), run(60, 500, 500), "run: spans that found their parent fell from 99.00 % to 88.00 % on gateway -> pricing"},
		"a few more are noise":              {run(5, 500, 500), run(9, 500, 500), ""},
		"a service that no trace reaches":   {run(0, 500, 500), run(0, 0, 500), "run: new kind of break: disconnected on pricing, 500 of 500"},
		"a service that few requests reach": {run(0, 1, 500), run(0, 0, 500), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := compared(t, Options{}, c.base, c.head).Regressions
			if c.want == "" {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Equal(t, c.want, found[0].Run+": "+found[0].What)
		})
	}
}

func TestRowsThatAppearedAndVanishedAreNoChange(t *testing.T) {
	t.Parallel()
	base := made(t, "base", 6, group{phase: "old", name: "n", number: 1, verdict: verdict.Continued, n: 10, ms: 1})
	head := made(t, "head", 6, group{phase: "new", name: "n", number: 1, verdict: verdict.Continued, n: 10, ms: 1})
	c := compared(t, Options{}, base, head)
	assert.Equal(t, MarkVanished, c.Heads[0].row("continuity by phase", "old").Mark)
	assert.Equal(t, MarkAppeared, c.Heads[0].row("continuity by phase", "new").Mark)
	assert.Nil(t, c.Heads[0].row("continuity by phase", "new").Change)
	assert.Equal(t, 0, c.ExitCode())
}

func TestRunsUnderOtherConditionsAreWarnedAboutAndRefusedWhenStrict(t *testing.T) {
	t.Parallel()
	base, head := good(t), good(t)
	head.Run.ScriptHash, head.Run.Plan, head.Run.K6Version = "other", "", "2.3.0"
	head.Run.Options = map[string]string{"vus": "40"}
	head.Run.Sampling = "ratio 0.1"
	c := compared(t, Options{Labels: []string{"a", "b"}}, base, head)
	what := make([]string, len(c.Warnings))
	for i, w := range c.Warnings {
		what[i] = w.What
	}
	assert.Equal(t, []string{"script", "plan", "sampling", "k6 version", "option vus"}, what)
	assert.Equal(t, `b: plan differs: "checkout" in the base, none here`, c.Warnings[1].String())
	_, err := Compare([]*report.Report{base, head}, Options{Strict: true})
	require.ErrorIs(t, err, ErrNotComparable)
	require.ErrorContains(t, err, "plan differs")
	_, err = Compare([]*report.Report{base, base}, Options{Strict: true})
	require.NoError(t, err)
}

func TestGatesDecideAlone(t *testing.T) {
	t.Parallel()
	base, head := good(t), dropped(t)
	for expr, want := range map[string]struct {
		passed bool
		detail string
	}{
		"continuity >= 0.99":                     {true, "is 99.12 %"},
		"continuity >= 99.9%":                    {false, "is 99.12 %"},
		"delta.continuity >= -0.01":              {true, "is -0.88 pp"},
		"delta.continuity >= -0.1%":              {false, "is -0.88 pp"},
		"restarted <= 70":                        {true, "is 70"},
		"restarted <= 1%":                        {true, "is 0.79 %"},
		"delta.restarted <= 10%":                 {false, "the base is 0, a relative change is undefined"},
		"delta.missing <= 10%":                   {true, "is 0.00 %"},
		"delta.not_delivered <= 10":              {true, "is 10"},
		"delta.not_delivered < 1%":               {false, "is +1.11 %"},
		"restarted{phase:503s} == 30":            {true, "is 30"},
		"continuity{attempt:2} == 1":             {true, "is 100.00 %"},
		"continuity{phase:nowhere} >= 0":         {false, `dropped has no phase "nowhere"`},
		"p95.duration_ms <= 5s":                  {true, ""},
		"p50.duration_ms <= 1":                   {false, ""},
		"max.duration_ms > 1us":                  {true, ""},
		"delta.p50.duration_ms <= 1%":            {false, ""},
		"delta.p50.duration_ms{phase:503s} > 0%": {true, ""},
		"p95.settle_ms{phase:503s} <= 1":         {false, "settle_ms is known for the whole run only"},
		"orphans{phase:503s} <= 1":               {false, "orphans is known for the whole run only"},
		"orphans == 0":                           {true, "is 0"},
		"spans_dropped == 0":                     {true, "is 0"},
		"attempts >= 8820":                       {true, "is 8820"},
		"held >= 8750":                           {false, "is 7840"},
		"broken == 70":                           {true, "is 70"},
		"retries == 910":                         {true, "is 910"},
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			g, err := ParseGate(expr)
			require.NoError(t, err)
			c := compared(t, Options{Gates: []Gate{g}, Labels: []string{"good", "dropped"}}, base, head)
			require.Len(t, c.Gates, 1)
			assert.Equal(t, want.passed, c.Gates[0].Passed, c.Gates[0].Detail)
			if want.detail != "" {
				assert.Equal(t, want.detail, c.Gates[0].Detail)
			}
			assert.Equal(t, want.passed, c.ExitCode() == 0)
		})
	}
}

func TestEveryRunAfterTheBaseIsComparedAndTrended(t *testing.T) {
	t.Parallel()
	g, err := ParseGate("continuity >= 0.999")
	require.NoError(t, err)
	c := compared(t, Options{Gates: []Gate{g}}, good(t), dropped(t), good(t))
	require.Len(t, c.Heads, 2)
	require.Len(t, c.Gates, 2)
	assert.False(t, c.Gates[0].Passed)
	assert.True(t, c.Gates[1].Passed)
	assert.Equal(t, 1, c.ExitCode())
	require.NotEmpty(t, c.Trends)
	trend := c.Trends[0]
	assert.Equal(t, "continuity", trend.Name)
	assert.Equal(t, []Mark{MarkEqual, MarkWorse, MarkEqual}, trend.Marks)
	require.Len(t, trend.Values, 3)
}

func TestUnusableInputIsAnError(t *testing.T) {
	t.Parallel()
	r := good(t)
	_, err := Compare([]*report.Report{r}, Options{})
	require.EqualError(t, err, "comparing runs: want two or more reports, got 1")
	_, err = Compare([]*report.Report{r, r}, Options{Labels: []string{"one"}})
	require.EqualError(t, err, "comparing runs: got 1 label for 2 reports: want one label per report")
	_, err = Compare([]*report.Report{r, nil}, Options{})
	require.EqualError(t, err, "comparing runs: report 2 is nil")
}

//nolint:gochecknoglobals // a test flag
var update = flag.Bool("update", false, "rewrite the golden files")

func TestWritersMatchTheirGoldenFiles(t *testing.T) {
	t.Parallel()
	gate, err := ParseGate("delta.p95.duration_ms <= 10%")
	require.NoError(t, err)
	two := Options{Labels: []string{"main", "pr"}}
	for name, c := range map[string]*Comparison{
		"regression": compared(t, two, good(t), dropped(t)),
		"same":       compared(t, two, good(t), good(t)),
		"gate": compared(t, Options{Labels: []string{"main", "pr"}, Gates: []Gate{gate}},
			good(t), dropped(t)),
		"trend": compared(t, Options{Labels: []string{"v1", "v2", "v3"}},
			good(t), dropped(t), good(t)),
	} {
		for extension, write := range map[string]func(*bytes.Buffer) error{
			"txt":  func(b *bytes.Buffer) error { return WriteText(b, c, TextOptions{}) },
			"ansi": func(b *bytes.Buffer) error { return WriteText(b, c, TextOptions{Color: true}) },
			"md":   func(b *bytes.Buffer) error { return WriteMarkdown(b, c) },
			"json": func(b *bytes.Buffer) error { return WriteJSON(b, c) },
			"html": func(b *bytes.Buffer) error { return WriteHTML(b, c) },
		} {
			t.Run(name+"."+extension, func(t *testing.T) {
				t.Parallel()
				var b bytes.Buffer
				require.NoError(t, write(&b))
				golden(t, filepath.Join("testdata", name+"."+extension), b.Bytes())
			})
		}
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run with -update to write it")
	if !bytes.Equal(want, got) {
		at := 0
		for at < min(len(want), len(got)) && want[at] == got[at] {
			at++
		}
		line := 1 + strings.Count(string(want[:at]), "\n")
		t.Errorf("%s differs from line %d on: got %q", path, line, got[at:min(len(got), at+120)])
	}
}
