package compare

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseGateReadsWhatTheGrammarAllows(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]Gate{
		"continuity >= 0.999": {
			metric: metric{kind: metricRate, name: "continuity"}, operator: ">=", threshold: 0.999,
		},
		" continuity>=99.9% ": {
			metric: metric{kind: metricRate, name: "continuity"}, operator: ">=", threshold: 0.999, percent: true,
		},
		"delta.continuity >= -0.001": {
			Delta: true, metric: metric{kind: metricRate, name: "continuity"}, operator: ">=", threshold: -0.001,
		},
		"missing <= 0": {
			metric: metric{kind: metricCount, name: "missing"}, operator: "<=",
		},
		"restarted{phase:recovery} == 0": {
			Scope:  Scope{"phase", "recovery"},
			metric: metric{kind: metricCount, name: "restarted"}, operator: "==",
		},
		"delta.broken{name:GET /a>=b{c}} < 5%": {
			Delta: true, Scope: Scope{"name", "GET /a>=b{c}"},
			metric: metric{kind: metricCount, name: "broken"}, operator: "<", threshold: 0.05, percent: true,
		},
		"p95.duration_ms <= 0.25s": {
			metric:   metric{kind: metricQuantile, name: "duration_ms", quantile: 0.95, quantiled: "p95"},
			operator: "<=", threshold: 250,
		},
		"delta.p99.9.duration_ms != 10 %": {
			Delta:    true,
			metric:   metric{kind: metricQuantile, name: "duration_ms", quantile: 0.999, quantiled: "p99.9"},
			operator: "!=", threshold: 0.1, percent: true,
		},
		"max.backoff_ms > 500us": {
			metric:   metric{kind: metricQuantile, name: "backoff_ms", quantile: 1, quantiled: "max"},
			operator: ">", threshold: 0.5,
		},
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			got, err := ParseGate(expr)
			require.NoError(t, err)
			want.Expr = strings.TrimSpace(expr)
			assert.InDelta(t, want.threshold, got.threshold, 1e-12)
			got.threshold = want.threshold
			assert.InDelta(t, want.metric.quantile, got.metric.quantile, 1e-12)
			got.metric.quantile = want.metric.quantile
			assert.Equal(t, want, got)
		})
	}
}

func TestParseGateNamesWhatItDoesNotAccept(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"":                                "no operator: want one of >=, <=, >, <, ==, !=",
		"continuity":                      "no operator",
		"continuity => 1":                 `unknown operator "=>": want one of >=`,
		"continuity = 1":                  `unknown operator "=": want one of >=`,
		"continuity >== 1":                `unknown operator ">=="`,
		"continuity >= ":                  `threshold "" is not a number`,
		"continuity >= abc":               `threshold "abc" is not a number`,
		"continuity >= NaN":               `threshold "NaN" is not a number`,
		"continuity >= Inf":               `threshold "Inf" is not a number`,
		"continuity >= 1ms":               `unit "ms" belongs to durations, not to continuity`,
		"contiuity >= 1":                  `unknown metric "contiuity": want continuity, attempts, held, broken`,
		"p95 >= 1":                        `unknown metric "p95"`,
		"p0.duration_ms >= 1":             `unknown metric "p0.duration_ms"`,
		"p100.duration_ms >= 1":           `or a quantile such as p95.duration_ms of duration_ms, blocked_ms`,
		"pNaN.duration_ms >= 1":           `unknown metric "pNaN.duration_ms"`,
		"p95.latency >= 1":                `unknown metric "p95.latency"`,
		"p95.duration_ms <= 10%":          "a percentage of p95.duration_ms needs delta. in front of it",
		"missing{phase} <= 0":             `scope "{phase}" is not of the form {dimension:value}`,
		"missing{colour:red} <= 0":        `unknown dimension "colour": want one of phase, name`,
		"delta.delta.continuity >= -0.01": `unknown metric "delta.continuity"`,
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			_, err := ParseGate(expr)
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "parsing gate ")
		})
	}
}

func TestGateOperatorsTakeRoundingAsEqual(t *testing.T) {
	t.Parallel()
	v := 0.998 - 0.999 // a little below -0.001
	for expr, want := range map[string]bool{
		">= -0.001": true, "<= -0.001": true, "== -0.001": true,
		"> -0.001": false, "< -0.001": false, "!= -0.001": false,
		"> -0.002": true, "< 0": true, "!= 0": true, ">= 0": false, "<= -0.5": false, "== 0": false,
	} {
		g, err := ParseGate("delta.continuity " + expr)
		require.NoError(t, err)
		assert.Equal(t, want, g.holds(v), expr)
	}
}

func FuzzParseGate(f *testing.F) {
	f.Add("delta.p99.9.duration_ms{phase:503s} <= 10 %")
	f.Add("}{:>=")
	f.Fuzz(func(t *testing.T, expr string) {
		g, err := ParseGate(expr)
		if err != nil {
			return
		}
		again, err := ParseGate(g.Expr)
		require.NoError(t, err)
		assert.Equal(t, g, again)
	})
}
