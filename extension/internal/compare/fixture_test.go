package compare

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// group is a number of attempts that have everything in common.
type group struct {
	phase, name string
	number      int
	verdict     verdict.Verdict
	n           int
	ms          float64 // mean duration
	injected    bool
	edges       []verdict.Edge
	services    []verdict.Presence
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func testRun(id string) report.Run {
	return report.Run{
		ID: id, Start: start(), ScriptHash: "5a1f", Script: "checkout.js", Plan: "checkout",
		K6Version: "v2.2.0", Version: "v0.1.0", Sampling: "always", Source: "otlp",
		Options: map[string]string{"vus": "20"},
	}
}

// made is a report of a run with these attempts; the seed decides ids and
// durations.
func made(tb testing.TB, id string, seed uint64, groups ...group) *report.Report {
	tb.Helper()
	b := report.NewBuilder(testRun(id), report.BuilderOptions{Seed: seed})
	random := rand.New(rand.NewPCG(seed, 1))
	for _, g := range groups {
		labels := &span.Labels{Phase: g.phase, Name: g.name, Method: "GET", Scenario: "default"}
		for range g.n {
			b.Add(g.outcome(labels, random))
		}
	}
	b.SetPhases([]report.Phase{
		{Name: "baseline", Start: start(), End: start().Add(10 * time.Second)},
		{Name: "503s", Start: start().Add(10 * time.Second), End: start().Add(20 * time.Second)},
	})
	return b.Report(start().Add(time.Minute))
}

// outcome is one trace with one attempt.
func (g group) outcome(labels *span.Labels, random *rand.Rand) verdict.Outcome {
	a := span.Attempt{
		Labels: labels, Number: uint16(g.number), Status: 200, Sampled: true,
		Start:    start().Add(time.Duration(random.IntN(60)) * time.Second).UnixNano(),
		Duration: int64(g.ms * (1 + random.NormFloat64()/10) * float64(time.Millisecond)),
	}
	binary.BigEndian.PutUint64(a.TraceID[:], random.Uint64())
	binary.BigEndian.PutUint64(a.SpanID[:], random.Uint64())
	a.Operation = tracecontext.SpanID{1}
	reason := ""
	if g.verdict == verdict.Restarted {
		reason = "handled in another trace"
	}
	return verdict.Outcome{
		Trace:    &join.Trace{ID: a.TraceID, Attempts: []span.Attempt{a}, SettleTime: time.Second},
		Results:  []verdict.Result{{Attempt: &a, Verdict: g.verdict, Injected: g.injected, Reason: reason}},
		Edges:    g.edges,
		Services: g.services,
	}
}

func TestTheFixtureAddsUp(t *testing.T) {
	t.Parallel()
	r := made(t, "run", 1, group{verdict: verdict.Continued, n: 10, number: 1, ms: 1})
	require.Equal(t, uint64(10), r.Totals.Held)
}

// withMissing is a run some attempts of which are missing.
func withMissing(tb testing.TB, attempts, missing int) *report.Report {
	tb.Helper()
	g := group{phase: "a", name: "n", number: 1, ms: 10}
	held, lost := g, g
	held.verdict, held.n = verdict.Continued, attempts-missing
	lost.verdict, lost.n = verdict.Missing, missing
	return made(tb, "run", 3, held, lost)
}
