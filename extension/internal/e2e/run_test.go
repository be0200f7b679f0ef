package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// short makes checkout.js a run of eight seconds.
func short() map[string]string {
	plan, err := filepath.Abs("testdata/short.json")
	if err != nil {
		panic(err)
	}
	return map[string]string{"PLAN": plan, "DURATION": "8s", "VUS": "10"}
}

// The numbers of a report, of k6 and of the toxics come from three places and
// have to agree.
func requireSums(t *testing.T, r run) {
	t.Helper()
	require.NotNil(t, r.report, r.output)
	var sum uint64
	for _, n := range r.report.Totals.Verdicts {
		sum += n
	}
	assert.Equal(t, r.report.Totals.Attempts, sum, "attempts and the sum of their verdicts")
	assert.InDelta(t, r.k6["http_reqs"].Count, r.report.Totals.Attempts, 0,
		"k6's requests and attempts")
	assert.InDelta(t, r.k6["trace_attempts"].Count, r.report.Totals.Attempts, 0)
	for _, dimension := range report.Dimensions() {
		var rows uint64
		for _, row := range r.report.By[dimension] {
			rows += row.Attempts
		}
		if len(r.report.By[dimension]) > 0 { // none when no attempt has a key
			assert.Equal(t, r.report.Totals.Attempts, rows, "rows by %s", dimension)
		}
	}
	injected, seen := make(map[string]uint64), make(map[string]uint64)
	for _, f := range r.report.Faults {
		if strings.HasPrefix(f.Type, "http_") && f.Injected > 0 {
			injected[f.Phase+": "+f.Toxic] += f.Injected
		}
	}
	for _, s := range r.report.Seen {
		seen[s.Phase+": "+s.Toxic] += s.Count
	}
	assert.Equal(t, injected, seen, "faults that the toxics injected and that the load saw")
}

// Phases that change twice a second, with requests under way at every change.
func TestEndToEndFaultsCountUnderTheirPhase(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.demo()
	plan := short()
	plan["PLAN"] = strings.Replace(plan["PLAN"], "short.json", "flip.json", 1)
	plan["VUS"] = "30"
	r := e.run("scripts/checkout.js", plan)
	require.Equal(t, 99, r.code, r.output)
	requireSums(t, r)
	assert.Equal(t, r.report.Control.Injected, r.report.Control.Detected)
	assert.Zero(t, r.report.Control.FalseBreak)
	toxics := 0
	for _, phase := range r.report.Phases {
		toxics += len(phase.Toxics)
	}
	leftOut := strings.Count(strings.Join(r.report.Warnings, "\n"), "was left out")
	assert.GreaterOrEqual(t, len(r.report.Phases)+leftOut, 15, "a machine may be too slow for some, "+
		"and for the last one before the load ends")
	assert.Len(t, r.report.Faults, toxics, "two in every other phase, one in the rest")
	assert.Greater(t, toxics, 8)
}

func TestEndToEndMainScenario(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.demo()
	r := e.run("scripts/checkout.js", short())

	require.Equal(t, 0, r.code, r.output)
	requireSums(t, r)
	totals := r.report.Totals
	assert.Positive(t, totals.Verdicts["continued"])
	assert.Positive(t, totals.Verdicts["not_delivered"], "the plan aborts every fifth request")
	assert.Positive(t, totals.Retries)
	assert.Zero(t, totals.Broken)
	assert.Zero(t, totals.Verdicts["undecided"])
	assert.InDelta(t, r.k6["trace_retries"].Count, totals.Retries, 0)

	names := make([]string, 0, 3)
	for _, phase := range r.report.Phases {
		names = append(names, phase.Name)
	}
	assert.Equal(t, []string{"baseline", "503s", "recovery"}, names)
	edges := make(map[string]uint64)
	for _, edge := range r.report.Edges {
		assert.Zero(t, edge.Orphans, "%s -> %s", edge.From, edge.To)
		edges[edge.From+" -> "+edge.To] = edge.Spans
	}
	assert.Positive(t, edges["gateway -> inventory"])
	assert.Positive(t, edges["gateway -> pricing"])
	assert.Contains(t, r.output, "trace continuity 100%")
}

// A service that ignores the context of some requests makes the threshold of
// the script fail, and k6 say so with its usual exit code.
func TestEndToEndThresholdDecidesTheExitCode(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.demo("--drop-context", "0.05")
	r := e.run("scripts/checkout.js", short())

	require.Equal(t, 99, r.code, r.output)
	requireSums(t, r)
	assert.Positive(t, r.report.Totals.Verdicts["restarted"])
	assert.Equal(t, r.report.Totals.Broken, r.report.Totals.Verdicts["restarted"],
		"no other kind of break")
}

// Spans that a service does not export are told from context that it lost.
func TestEndToEndLostSpans(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.demo("--drop-spans", "0.1")
	r := e.run("scripts/checkout.js", short())

	require.Equal(t, 99, r.code, r.output)
	requireSums(t, r)
	totals := r.report.Totals
	assert.Positive(t, totals.Verdicts["span_lost"]+totals.Verdicts["missing"])
	assert.Zero(t, totals.Verdicts["restarted"])
	assert.Zero(t, totals.Verdicts["reparented"])
}

// What the toxics stripped is what the checker finds broken, to the attempt.
func TestEndToEndNegativeControl(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.demo()
	for _, seed := range []string{"1", "2", "3"} {
		r := e.run("scripts/negative-control.js", map[string]string{
			"SEED": seed, "DURATION": "4s",
		})
		require.Equal(t, 0, r.code, r.output)
		requireSums(t, r)
		control := r.report.Control
		assert.Positive(t, control.Injected, "seed %s", seed)
		assert.Equal(t, control.Injected, control.Detected, "seed %s", seed)
		assert.Equal(t, r.report.Faults[0].Injected, control.Detected, "seed %s", seed)
		assert.Zero(t, control.FalseBreak, "seed %s", seed)
		assert.Equal(t, control.Detected, r.report.Totals.Broken, "seed %s", seed)
	}
}

// A checker that is wrong about one attempt must fail the control: here the
// service breaks traces that no toxic touched.
func TestEndToEndNegativeControlFailsOnAnUnprovokedBreak(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.demo("--drop-context", "0.02")
	r := e.run("scripts/negative-control.js", map[string]string{"DURATION": "4s"})
	require.Equal(t, 99, r.code, r.output)
	assert.Positive(t, r.report.Control.FalseBreak)
}

func TestEndToEndSmoke(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	r := e.run("scripts/smoke.test.js", nil)
	require.Equal(t, 0, r.code, r.output)
	requireSums(t, r)
	assert.EqualValues(t, 10, r.report.Totals.Attempts, "five iterations of two attempts")
	assert.EqualValues(t, 5, r.report.Totals.Retries)
}

func TestEndToEndCompare(t *testing.T) {
	t.Parallel()
	good, bad := newEnv(t), newEnv(t)
	good.demo()
	require.Equal(t, 0, good.run("scripts/checkout.js", short()).code)
	bad.demo("--drop-context", "0.05")
	require.Equal(t, 99, bad.run("scripts/checkout.js", short()).code)
	base, head := good.reports()[0], bad.reports()[0]

	code, out := good.continuity("compare", base, head)
	assert.Equal(t, 1, code, out)
	assert.Contains(t, out, "new kind of break: restarted")
	for _, row := range []string{"continuity ", "restarted ", "baseline ", "GET /products "} {
		assert.Regexp(t, "(?m)^"+row+".* worse$", out)
	}

	code, out = good.continuity("compare", base, base)
	assert.Equal(t, 0, code, out)
	assert.Contains(t, out, "no regression")

	code, out = good.continuity("compare", base, filepath.Join(t.TempDir(), "none.json"))
	assert.Equal(t, 2, code, out)
	assert.Contains(t, out, "none.json")
}
