// Package compare sets two or more run reports side by side and says what
// changed, what is noise, and whether it got worse; and it merges the partial
// reports of distributed runners into one.
//
// # What is compared
//
// The first report is the base. Every later one is compared with it, row by
// row: continuity and the share of each verdict for the whole run; continuity
// by phase, scenario, request name, attempt number and service; how many spans
// found their parent on each edge; latency quantiles. A row that only one run
// has is listed as appeared or vanished, never as a change.
//
// # What is noise
//
// A rate changed when Newcombe's hybrid score interval of its difference
// excludes zero; where an expected count is below five, Fisher's exact test has
// to agree. A quantile changed when the interval of its difference excludes
// zero (order-statistic limits of both quantiles, widened by the histograms'
// bucket width). The intervals of one table hold together at 95 %: a table of m
// rows uses the level 1 - 0.05/m for each (Bonferroni), so twenty endpoints do
// not bring one false alarm along. Everything else prints `~`. Attempts are taken
// as independent; if faults come in bursts, the intervals are too narrow.
//
// # What is a regression
//
// Without gates, a run regressed when one of these is true:
//
//   - continuity of the whole run is significantly lower than the base's;
//   - a broken verdict (restarted, reparented, span_lost, missing), not caused by
//     an injected context break, occurs that the base never had, however rarely:
//     a trace that breaks in a new way is a finding, not a fluctuation;
//   - on an edge between services significantly more spans have lost their parent;
//   - a service that was connected in traces of the base is in none of head's,
//     and chance does not explain it.
//
// With gates, the gates alone decide. Latency never fails a run without a gate.
package compare
