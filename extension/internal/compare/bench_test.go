package compare

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

func BenchmarkCompare(b *testing.B) {
	reports := []*report.Report{large(b, 1), large(b, 2)}
	for b.Loop() {
		c, err := Compare(reports, Options{})
		require.NoError(b, err)
		require.Len(b, c.Heads, 1)
	}
}

// BenchmarkReadAndCompare reads two reports side by side, as the command does,
// and compares them.
func BenchmarkReadAndCompare(b *testing.B) {
	var files [2][]byte
	for i := range files {
		files[i] = []byte(encoded(b, large(b, uint64(i+1))))
	}
	b.ReportMetric(float64(len(files[0])), "bytes/report")
	for b.Loop() {
		var reports [2]*report.Report
		var group errgroup.Group
		for i, f := range files {
			group.Go(func() (err error) {
				reports[i], err = report.ReadJSON(bytes.NewReader(f))
				return err
			})
		}
		require.NoError(b, group.Wait())
		_, err := Compare(reports[:], Options{})
		require.NoError(b, err)
	}
}

func BenchmarkWriteLarge(b *testing.B) {
	r := large(b, 1)
	for b.Loop() {
		require.NoError(b, report.WriteJSON(io.Discard, r))
		require.NoError(b, report.WriteHTML(io.Discard, r, report.HTMLOptions{}))
	}
	b.ReportMetric(float64(r.Totals.Attempts), "attempts/report")
}

// large is the report of 10 million attempts with full tables and an hour of
// series. It is built of 20,000 real attempts, added to itself by merging.
func large(tb testing.TB, seed uint64) *report.Report {
	tb.Helper()
	random := rand.New(rand.NewPCG(seed, 9))
	run := testRun("run")
	run.Labels = map[string]string{testLabel: "bench"}
	b := report.NewBuilder(run, report.BuilderOptions{Seed: seed})
	for i := range 20_000 {
		g := group{verdict: verdict.Continued, number: 1 + i%3, ms: 20 + float64(i%50)}
		if i%1000 == 0 {
			g.verdict = verdict.Missing
		}
		labels := &span.Labels{
			Phase: []string{"baseline", "503s", "latency", "both", "recovery"}[i%5],
			Name:  "/endpoint/" + string(rune('a'+i%26)) + string(rune('a'+i/26%8)), Method: "GET",
		}
		o := g.outcome(labels, random)
		o.Results[0].Attempt.Start = start().Add(time.Duration(i%3600) * time.Second).UnixNano()
		b.Add(o)
	}
	r := b.Report(start().Add(time.Hour))
	for i := range 9 { // 20,000 * 2^9 = 10,240,000
		double := *r
		double.Run.ID = "part " + strconv.Itoa(i) // a part that was not given twice
		r = merged(tb, r, &double)
	}
	require.Greater(tb, r.Totals.Attempts, uint64(10_000_000))
	return r
}
