package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// writeFixtures writes the reports that the scripts read.
func writeFixtures(dir string) error {
	other := newBuilder(report.Run{ID: "good"}, false)
	add(other, verdict.Continued, 1000)
	base := newBuilder(report.Run{ID: "good", Plan: "checkout"}, false)
	add(base, verdict.Continued, 1000)
	head := newBuilder(report.Run{ID: "dropped", Plan: "checkout"}, false)
	add(head, verdict.Continued, 990)
	add(head, verdict.Restarted, 10)
	part1, part2 := newBuilder(report.Run{ID: "run"}, true), newBuilder(report.Run{ID: "run"}, true)
	add(part1, verdict.Missing, 2)
	add(part2, verdict.Continued, 5)
	part2.AddClaim(report.Claim{TraceID: tracecontext.TraceID{1}, SpanID: tracecontext.SpanID{2}})

	var errs []error
	for name, b := range map[string]*report.Builder{
		"base.json": base, "head.json": head, "other.json": other,
		"part1.json": part1, "part2.json": part2,
	} {
		errs = append(errs, writeFixture(filepath.Join(dir, name), b))
	}
	return errors.Join(errs...)
}

func newBuilder(run report.Run, partial bool) *report.Builder {
	run.Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return report.NewBuilder(run, report.BuilderOptions{Partial: partial})
}

func writeFixture(path string, b *report.Builder) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	end := time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)
	return errors.Join(report.WriteJSON(f, b.Report(end)), f.Close())
}

// add counts n traces of one attempt each; the attempts are numbered from 1 in
// their span ids' second half.
func add(b *report.Builder, v verdict.Verdict, n int) {
	labels := &span.Labels{Phase: "baseline", Name: "/checkout", Method: "GET"}
	for i := range n {
		a := span.Attempt{
			TraceID: tracecontext.TraceID{1, byte(i >> 8), byte(i)}, SpanID: tracecontext.SpanID{2},
			Labels: labels, Number: 1, Status: 200, Sampled: true,
			Start:    time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC).UnixNano(),
			Duration: int64(10 * time.Millisecond),
		}
		b.Add(verdict.Outcome{
			Trace:   &join.Trace{ID: a.TraceID, Attempts: []span.Attempt{a}},
			Results: []verdict.Result{{Attempt: &a, Verdict: v}},
		})
	}
}
