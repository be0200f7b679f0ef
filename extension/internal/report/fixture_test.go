package report

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

//nolint:gochecknoglobals // a test flag
var update = flag.Bool("update", false, "write the golden files again")

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// at is a moment of the run in milliseconds.
func at(ms int) int64 { return start().Add(time.Duration(ms) * time.Millisecond).UnixNano() }

func spanID(kind byte, n int) tracecontext.SpanID {
	return tracecontext.SpanID{kind, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)}
}

func traceID(n int) tracecontext.TraceID {
	return tracecontext.TraceID{0: 0x4b, 14: byte(n >> 8), 15: byte(n)}
}

// names are what a fixture calls things.
type names struct{ phase, name, service, inner, toxic string }

func plainNames() names {
	return names{"503s", "/checkout", "gateway", "inventory", "flaky"}
}

// hostileNames try to leave the place they are shown in.
func hostileNames() names {
	return names{
		phase:   "</script><script>window.hacked=1</script>",
		name:    `<img src=x onerror="window.hacked=2">'"|` + "`" + `@team [x](http://evil) **b**`,
		service: "\x1b[31mred\x1b[0m\x07\u202Eevil\r\nnext",
		inner:   `"><svg onload=window.hacked=3>{{.Secret}}<!--`,
		toxic:   `javascript:window.hacked=4//]]>*/`,
	}
}

func testRun(n names) Run {
	return Run{
		ID: "20260301-120000-4b1d", Start: start(), Script: "checkout.js",
		ScriptHash: "5a1f0c", Plan: "checkout", Commit: "3c1354b", K6Version: "v2.2.0",
		Version: "v0.1.0", Source: "otlp", Sampling: "always",
		Labels: map[string]string{"branch": n.name}, Options: map[string]string{"vus": "20"},
	}
}

// operation is one logical request of the fixture: one attempt per verdict.
type operation struct {
	n        int
	phase    string
	verdicts []verdict.Verdict
	injected bool
}

func (op operation) outcome(n names) verdict.Outcome {
	id, begin := traceID(op.n), at(op.n*100)
	labels := &span.Labels{
		Phase: op.phase, Name: n.name + "?token=secret", Method: "GET",
		Scenario: "default", Service: n.service,
	}
	o := verdict.Outcome{
		Trace: &join.Trace{ID: id, SettleTime: 120 * time.Millisecond},
		Edges: []verdict.Edge{{From: n.service, To: n.inner, Spans: 2}},
		Services: []verdict.Presence{
			{Service: n.service, Connected: true}, {Service: n.inner, Connected: op.n%5 > 0},
		},
	}
	when := begin
	for i, v := range op.verdicts {
		a := &span.Attempt{
			TraceID: id, SpanID: spanID(0xa0+byte(i), op.n), Operation: spanID(0x90, op.n),
			Labels: labels, Number: uint16(i + 1), Resend: uint16(i), Sampled: true, Status: 200,
			Start: when, Duration: int64(40+op.n%17) * int64(time.Millisecond),
			Blocked: int64(time.Millisecond),
		}
		if i > 0 {
			a.Backoff = 60 * int64(time.Millisecond)
		}
		if v == verdict.NotDelivered {
			a.Status = 503
			a.Marks = &span.Marks{List: []span.Mark{{Type: "http_status", Mode: "abort", Name: n.toxic}}}
		}
		when += a.Duration + 60*int64(time.Millisecond)
		o.Results = append(o.Results, verdict.Result{
			Attempt: a, Verdict: v, Injected: op.injected, Reason: reasonOf(v),
		})
		o.Trace.Spans = append(o.Trace.Spans, spansOf(a, v, op.n, n)...)
		if v == verdict.Restarted {
			o.Trace.Claimed = append(o.Trace.Claimed, record(a, traceID(op.n+9000), 0xc0, op.n,
				tracecontext.SpanID{}, n.service))
		}
	}
	if op.n%5 == 0 {
		o.Edges[0].Orphans = 1
	}
	return o
}

func reasonOf(v verdict.Verdict) string {
	return map[verdict.Verdict]string{
		verdict.Missing:      "no SERVER span within the settle time",
		verdict.Restarted:    "the service started a new trace",
		verdict.SpanLost:     "descendants arrived, the SERVER span did not",
		verdict.Reparented:   "the SERVER span is under another parent: the operation",
		verdict.NotDelivered: "a toxic answered in the service's place",
	}[v]
}

func spansOf(a *span.Attempt, v verdict.Verdict, n int, names names) []span.Record {
	server := spanID(0xb0+byte(a.Number), n)
	list := []span.Record{
		record(a, a.TraceID, 0xb0+byte(a.Number), n, a.SpanID, names.service),
		record(a, a.TraceID, 0xd0+byte(a.Number), n, server, names.inner),
	}
	switch v {
	case verdict.Continued:
		return list
	case verdict.SpanLost:
		return list[1:]
	case verdict.Reparented:
		list[0].ParentID = a.Operation
		return list
	default:
		return nil
	}
}

func record(a *span.Attempt, trace tracecontext.TraceID, kind byte, n int,
	parent tracecontext.SpanID, service string,
) span.Record {
	return span.Record{
		TraceID: trace, SpanID: spanID(kind, n), ParentID: parent, Kind: span.KindServer,
		Start: a.Start + 3*int64(time.Millisecond), End: a.Start + a.Duration - int64(kind>>4)*1e6,
		Status:     200,
		Descriptor: &span.Descriptor{Service: service, Name: "GET /checkout?token=secret", Method: "GET"},
	}
}

// made is a run of 600 operations over a minute, with every kind of verdict.
func made(n names) *Report {
	b := NewBuilder(testRun(n), BuilderOptions{Seed: 1, Examples: 2})
	for i := range 600 {
		op := operation{n: i, phase: "baseline", verdicts: []verdict.Verdict{verdict.Continued}}
		if i >= 200 && i < 400 {
			op.phase = n.phase
			switch {
			case i%4 == 0:
				op.verdicts = []verdict.Verdict{verdict.NotDelivered, verdict.Continued}
			case i%33 == 0:
				op.verdicts = []verdict.Verdict{verdict.Restarted}
				op.injected = true
			case i%41 == 0:
				op.verdicts = []verdict.Verdict{verdict.NotDelivered, verdict.Missing}
			case i%43 == 0:
				op.verdicts = []verdict.Verdict{verdict.SpanLost}
			case i%47 == 0:
				op.verdicts = []verdict.Verdict{verdict.Reparented}
			case i%49 == 0:
				op.verdicts = []verdict.Verdict{verdict.Undecided}
			}
		}
		if i >= 400 {
			op.phase = "recovery"
		}
		b.Add(op.outcome(n))
	}
	third := 20 * time.Second
	b.SetPhases([]Phase{
		{Name: "baseline", Start: start(), End: start().Add(third)},
		{Name: n.phase, Start: start().Add(third), End: start().Add(2 * third), Toxics: []string{n.toxic}},
		{Name: "recovery", Start: start().Add(2 * third), End: start().Add(3 * third)},
	})
	b.SetFaults([]Fault{
		{
			Phase: n.phase, Proxy: "gateway", Toxic: n.toxic, Type: "http_status", Mode: "abort",
			Seen: 262, Selected: 54, Injected: 54, Marked: 54,
		},
		{Phase: n.phase, Proxy: "gateway", Toxic: "strip", Type: "http_header", Seen: 262},
	})
	b.SetSpans(Spans{Started: 1253, Exported: 1249, Dropped: 4, Received: 1170, Redelivered: 2})
	b.Warn("reading http://admin:hunter2@tempo:3200/api?key=hunter2 took " + n.service)
	return b.Report(start().Add(time.Minute))
}
