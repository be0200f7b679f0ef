package compare

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// The names by which gates and trends call the numbers of a report.
const (
	rateContinuity = "continuity"

	countAttempts = "attempts"
	countHeld     = "held"
	countBroken   = "broken"
	countRetries  = "retries"
	countOrphans  = "orphans"
	countDropped  = "spans_dropped"

	histDuration = "duration_ms"
	histSettle   = "settle_ms"
)

// countNames returns the counts that a gate can name.
func countNames() []string {
	list := []string{
		countAttempts, countHeld, countBroken, countRetries, countOrphans, countDropped,
	}
	for _, v := range verdict.All() {
		list = append(list, v.String())
	}
	return list
}

// histogramNames returns the histograms whose quantiles a gate can name.
func histogramNames() []string {
	return report.Quantities()
}

// dimensionNames returns the breakdowns that a gate's scope can name.
func dimensionNames() []string {
	return report.Dimensions()
}

// GateHelp describes the gate expressions for a command's help.
const GateHelp = `Gates: ["delta."] metric ["{" dimension ":" value "}"] operator number [unit]
  metric     continuity | attempts | held | broken | retries | orphans | spans_dropped |
             a verdict (missing, restarted, …) | p50, p95, p99.9, max, … "." followed by
             duration_ms | blocked_ms | backoff_ms | settle_ms
  dimension  phase, name, attempt, scenario, service
  operator   >= <= > < == !=
  unit       us, ms, s for durations; % is hundredths for continuity, the share of all
             attempts for a count, and with delta. the change relative to the base for
             counts and durations
  noise      gates take numbers as they are: leave room for it. Of two equal runs of 200
             attempts, 1 in 5 pairs fails delta.p95.duration_ms <= 10%, and with 1 % of
             breaks 2 in 5 fail delta.continuity >= -0.1%; of 5000, none and 1 in 4
  examples   continuity >= 0.999           delta.continuity >= -0.1%
             missing <= 0                  restarted{phase:recovery} == 0
             p95.duration_ms <= 250        delta.p95.duration_ms <= 10%`
