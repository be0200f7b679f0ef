package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// checkTwins refuses a part that was given twice, be it within a report that was
// merged before.
func checkTwins(parts []*report.Report) error {
	for i, p := range parts {
		twin := slices.IndexFunc(parts[:i], func(o *report.Report) bool { return same(o, p) })
		if twin >= 0 {
			return fmt.Errorf("reports %d and %d hold the same part of run %s",
				twin+1, i+1, name(p.Run.ID))
		}
	}
	return nil
}

// same reports whether two reports hold the same part. The parts of a Collector
// have numbers, and every process without one has a run id of its own, which the
// report that it saved before its end has as well. All else is the same if one
// source has it of the same nanoseconds with the same counts.
func same(a, b *report.Report) bool {
	ours, theirs := shardsOf(a), shardsOf(b)
	for i := range ours {
		for j := range theirs {
			if overlap(&ours[i], &theirs[j]) {
				return true
			}
		}
	}
	if a.Partial == nil && b.Partial == nil {
		ids := strings.Split(a.Run.ID, ", ")
		return slices.ContainsFunc(strings.Split(b.Run.ID, ", "), func(id string) bool {
			return id != "" && slices.Contains(ids, id)
		})
	}
	return a.Run.Source == b.Run.Source && a.Run.ID == b.Run.ID &&
		a.Run.Start.Equal(b.Run.Start) && a.Run.End.Equal(b.Run.End) &&
		a.Totals.Attempts == b.Totals.Attempts && a.Totals.Held == b.Totals.Held &&
		a.Spans == b.Spans && len(ours) == 0 && len(theirs) == 0
}

// overlap reports whether two stretches have parts of one Collector in common.
func overlap(a, b *report.Shard) bool {
	return a.Instance == b.Instance && a.Started.Equal(b.Started) &&
		a.First <= b.Last && b.First <= a.Last
}

func shardsOf(r *report.Report) []report.Shard {
	if r.Partial == nil {
		return nil
	}
	return r.Partial.Shards
}

// ofCollector reports whether a Collector judged a part, or some of it.
func ofCollector(p *report.Report) bool { return strings.Contains(p.Run.Source, sourceCollector) }

// checkTests refuses attempts that name no test beside a Collector's part of a
// test: the Collectors tell the loads apart, so that those are of another one.
func checkTests(parts []*report.Report) error {
	named := slices.IndexFunc(parts, func(p *report.Report) bool {
		return ofCollector(p) && testID(p) != ""
	})
	nameless := slices.IndexFunc(parts, func(p *report.Report) bool {
		return ofCollector(p) && testID(p) == "" && p.Totals.Attempts > 0
	})
	if named < 0 || nameless < 0 {
		return nil
	}
	return fmt.Errorf("%w: report %d has %d attempts of a load that names no test, and report %d "+
		"is of %s", ErrForeignPart, nameless+1, parts[nameless].Totals.Attempts, named+1,
		name(testID(parts[named])))
}

// OfTest leaves out the parts of other tests, and counts them. Of a part that
// names no test only what is of no test stays: claims, which find their attempts
// by ids, and the ledger of the shard's spans. Its attempts are nobody's.
func OfTest(parts []*report.Report, test string) (of []*report.Report, others int) {
	named := false
	for _, p := range parts {
		switch testID(p) {
		case test:
			named = true
			of = append(of, p)
		case "":
			if p.Totals.Attempts > 0 {
				others++
				p = withoutAttempts(p)
			}
			of = append(of, p)
		default:
			others++
		}
	}
	if !named {
		return nil, len(parts)
	}
	return of, others
}

func withoutAttempts(p *report.Report) *report.Report {
	out := &report.Report{
		SchemaVersion: p.SchemaVersion, Run: p.Run, Series: p.Series, Spans: p.Spans,
	}
	out.Series.Buckets = nil
	out.Spans.FlagBreaks, out.Spans.StateBreaks = 0, 0
	if p.Partial != nil {
		out.Partial = &report.Partial{
			Claims: p.Partial.Claims, ClaimsDropped: p.Partial.ClaimsDropped,
		}
	}
	return out
}

// testID is the test that a report is of; empty when it names none.
func testID(r *report.Report) string {
	for _, label := range []string{testLabel, operatorLabel} {
		if id := r.Run.Labels[label]; id != "" {
			return id
		}
	}
	return r.Run.ID
}
