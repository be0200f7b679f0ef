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
// bucket width, and by how uneven the durations were from second to second:
// [report.Report.DurationSpreads]; of settle times, those of a second count as one).
// The intervals of one table hold together at 95 %: a table of m
// rows uses the level 1 - 0.05/m for each (Bonferroni), so twenty endpoints do
// not bring one false alarm along. Everything else prints `~`. Every run
// after the base is judged on its own: of many equal ones, one in forty looks worse.
//
// For rates, attempts are taken as independent. Where they break together, all of a trace
// or all of a bad second, the intervals are too narrow by the square root of how
// many do: of two equal runs whose attempts share their fate by fives, continuity
// is marked in 43 of 100 comparisons instead of 5. Runs whose breaks come in bursts
// are warned of ([report.Report.Dispersion]) and not excused: a bad second is one
// event, but it is there. Nor do the intervals know how runs of one system differ
// from each other. Of twelve equal runs of the demo services on one machine, no pair
// differed significantly in continuity or in a duration; with durations taken as
// independent, two in three did in the median. Nor do they know which difference
// matters: of millions of attempts the smallest is significant. Repeat the runs, and
// set gates.
//
// # What is a regression
//
// Without gates, a run regressed when one of these is true:
//
//   - continuity of the whole run is significantly lower than the base's, or
//     unknown, as every attempt was undecided, unsampled or not delivered;
//   - a broken verdict (restarted, reparented, span_lost, missing), not caused by
//     an injected context break, occurs that the base never had, and chance does not
//     explain it: of the tests of the four, one in twenty pairs of equal runs at most
//     fails one;
//   - significantly more spans have lost their parent on an edge between services;
//   - a service that was connected in traces of the base is in none of head's,
//     and chance does not explain it.
//
// What breaks in a new way is shown with its traces from the first one on. That it
// is new is no test: of two equal runs with one such break each on average, nearly
// one comparison in four has it in the second run only. What chance could explain
// says so and fails nothing; a gate such as missing == 0 does.
//
// With gates, the gates alone decide, by the numbers as they are: they know no
// noise. Latency never fails a run without a gate.
package compare
