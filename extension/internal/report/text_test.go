package report

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

func summary(t *testing.T, r *Report, o TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteText(&b, r, o))
	return b.String()
}

func quiet() *Report {
	b := NewBuilder(Run{ID: "quiet", Start: start()}, BuilderOptions{})
	for i := range 3 {
		b.Add(operation{n: i, verdicts: []verdict.Verdict{verdict.Continued}}.outcome(plainNames()))
	}
	return b.Report(start().Add(3e9))
}

func TestSummaryGolden(t *testing.T) {
	t.Parallel()
	paths := []string{"results/a.json", "results/a.html"}
	for name, c := range map[string]struct {
		report  *Report
		options TextOptions
	}{
		"summary.txt":       {made(plainNames()), TextOptions{Paths: paths}},
		"summary.ansi":      {made(plainNames()), TextOptions{Paths: paths, Color: true}},
		"summary_quiet.txt": {quiet(), TextOptions{}},
		"summary_empty.txt": {NewBuilder(Run{Start: start()}, BuilderOptions{}).Report(start()), TextOptions{}},
		"hostile.txt":       {made(hostileNames()), TextOptions{}},
	} {
		golden(t, name, []byte(summary(t, c.report, c.options)))
	}
}

func TestMarkdownGolden(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*Report{
		"report.md": made(plainNames()), "quiet.md": quiet(), "hostile.md": made(hostileNames()),
	} {
		var b bytes.Buffer
		require.NoError(t, WriteMarkdown(&b, r))
		golden(t, name, b.Bytes())
	}
}

func TestSummaryColoursOnlyOnDemandAndChangesNothingElse(t *testing.T) {
	t.Parallel()
	r := made(plainNames())
	plain := summary(t, r, TextOptions{})
	colored := summary(t, r, TextOptions{Color: true})
	assert.NotContains(t, plain, "\x1b")
	assert.Contains(t, colored, "\x1b[31m")
	for _, code := range []string{red, green, yellow, bold, reset} {
		colored = strings.ReplaceAll(colored, code, "")
	}
	assert.Equal(t, plain, colored, "colours must not shift a column")
}

func TestSummaryTellsTheWorstFirstAndThePathsLast(t *testing.T) {
	t.Parallel()
	text := summary(t, made(plainNames()), TextOptions{Paths: []string{"results/a.json"}})
	last := 0
	for _, part := range []string{
		"trace continuity", "breaks that no toxic caused", "4 client spans lost",
		"phase 503s: toxic strip touched no request, of 262 that it saw", "verdicts", "missing",
		"continued", "by phase", "by attempt", "results/a.json",
	} {
		at := strings.Index(text[last:], part)
		require.GreaterOrEqual(t, at, 0, "%q is missing or too early", part)
		last += at
	}
	assert.Equal(t, "results/a.json", strings.TrimSpace(text[last:]))
}

func TestSummaryColumnsAreAligned(t *testing.T) {
	t.Parallel()
	text := summary(t, made(plainNames()), TextOptions{})
	_, table, found := strings.Cut(text, "by phase\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	width := 0
	for line := range strings.SplitSeq(strings.TrimRight(table, "\n"), "\n") {
		if width == 0 {
			width = utf8.RuneCountInString(line)
		}
		assert.Equal(t, width, utf8.RuneCountInString(line), line)
	}
}

func TestNothingHostileOrSecretReachesATerminalOrMarkdown(t *testing.T) {
	t.Parallel()
	r := made(hostileNames())
	var md bytes.Buffer
	require.NoError(t, WriteMarkdown(&md, r))
	for form, text := range map[string]string{"text": summary(t, r, TextOptions{}), "markdown": md.String()} {
		for _, r := range text {
			require.True(t, r == '\n' || unicode.IsPrint(r), "%s holds %q", form, r)
		}
		assert.NotContains(t, text, "secret", form)
		assert.NotContains(t, text, "hunter2", form)
	}
	for line := range strings.SplitSeq(md.String(), "\n") {
		if !strings.Contains(line, "onerror") {
			continue
		}
		assert.Regexp(t, "(\\| |- )``", line, "the name must stand in a code span")
	}
}

func TestPercentNeverRoundsABreakAway(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]string{
		1: "100%", 0: "0%", 0.5: "50%", 0.999999: "99.9999%", 0.99999999: "<100%", 0.98751: "98.751%",
		0.00000001: "<0.0001%", 0.000001: "0.0001%",
	} {
		assert.Equal(t, want, Percent(rate))
	}
}

// A run without a single span from a service is told apart from one whose
// services lost the context.
func TestSummarySaysThatNoSpanArrived(t *testing.T) {
	t.Parallel()
	const news = "no span arrived from any service"
	r := &Report{Totals: Counts{
		Attempts: 3, Broken: 3, Verdicts: map[string]uint64{"missing": 3},
	}}
	said := func(r Report) string {
		var b strings.Builder
		require.NoError(t, WriteText(&b, &r, TextOptions{}))
		return b.String()
	}
	const control = "context breaks injected 2, detected 2"
	r.Control = Control{Injected: 2, Detected: 2}
	assert.Contains(t, said(*r), news)
	assert.NotContains(t, said(*r), control, "all are broken for another reason")
	r.Spans.Received = 6
	assert.Contains(t, said(*r), news, "what came back are the load's own spans")
	for spoke, change := range map[string]func(*Report){
		"in a trace of the load": func(r *Report) { r.Services = []Service{{Name: "shop", Traces: 1}} },
		"in a trace of its own":  func(r *Report) { r.Spans.Foreign = 1 },
		"too late":               func(r *Report) { r.Spans.Late = 1 },
	} {
		heard := *r
		change(&heard)
		assert.NotContains(t, said(heard), news, spoke)
		assert.Contains(t, said(heard), control, spoke)
	}
}
