package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// sourceNone is the source of a runner that leaves judging to Collectors, and
// sourceCollector begins that of a Collector's part.
const (
	sourceNone      = "none"
	sourceCollector = "collector="
)

// checkSources refuses parts that would count attempts twice.
func checkSources(parts []*report.Report) error {
	collector := slices.IndexFunc(parts, ofCollector)
	if collector < 0 || len(parts) == 1 {
		return nil
	}
	for i, p := range parts {
		sources := strings.Split(p.Run.Source, ", ")
		judged := slices.IndexFunc(sources, func(s string) bool {
			return s != sourceNone && !strings.HasPrefix(s, sourceCollector)
		})
		switch {
		case judged >= 0:
			return fmt.Errorf("%w: report %d judged its own attempts "+
				"(source %q), which the Collector of report %d judged as well: they would "+
				"count twice; runners beside Collectors need the source %q", ErrForeignPart, i+1,
				sources[judged], collector+1, sourceNone)
		case len(sources) > 1 && slices.Contains(sources, sourceNone):
			return fmt.Errorf("%w: report %d is of runners and Collectors merged "+
				"already: merge all parts of the run at once", ErrForeignPart, i+1)
		}
	}
	return nil
}

// witness takes over from the reports of the runners what they know better than
// the Collectors: which attempts were sent and when, the phases and the faults.
// What became of an attempt is for the Collectors to say. An attempt that none
// of them judged is undecided: its spans were lost on the way.
//
//	attempts, durations, phases, faults   runners
//	verdicts, edges, services, examples   Collectors
func (m *merger) witness(runners *merger) error {
	judged := m.out.Totals.Attempts
	unfinished := slices.Contains(runners.out.Warnings, report.Unfinished)
	r, from := m.out, runners.out
	m.addRun(&from.Run)
	r.Run.Start = from.Run.Start
	r.Phases, r.Faults, r.Seen = from.Phases, from.Faults, from.Seen
	addSpans(&r.Spans, &from.Spans)
	r.Warnings = addWarning(r.Warnings, from.Warnings...)
	if unfinished || !m.covered(runners) {
		m.warnOfRunners(runners, unfinished)
		return nil
	}
	sent(&r.Totals, &from.Totals)
	for dimension, rows := range runners.rows {
		for key, row := range rows {
			to := m.rows[dimension][key]
			if to == nil {
				to = emptyRow(key)
				m.rows[dimension][key] = to
			}
			sent(&to.Counts, &row.Counts)
			to.Duration = row.Duration
		}
	}
	for _, quantity := range []string{histDuration, "blocked_ms", "backoff_ms"} {
		r.Histograms[quantity] = from.Histograms[quantity]
	}
	if lost := r.Totals.Attempts - judged; lost > 0 {
		r.Warnings = addWarning(r.Warnings, fmt.Sprintf(
			"%d of %d attempts that the runners sent were judged by no Collector: their spans did "+
				"not arrive, or the part of it is not here; they are undecided",
			lost, r.Totals.Attempts))
	}
	return m.series.sent(&runners.series)
}

// covered reports whether the runners know of every attempt that was judged.
func (m *merger) covered(runners *merger) bool {
	if m.out.Totals.Attempts > runners.out.Totals.Attempts {
		return false
	}
	for dimension, rows := range m.rows {
		for key, row := range rows {
			known := runners.rows[dimension][key]
			if row.Attempts > 0 && (known == nil || known.Attempts < row.Attempts) {
				return false
			}
		}
	}
	return true
}

func (m *merger) warnOfRunners(runners *merger, unfinished bool) { //nolint:revive // a fact
	why := "a runner has no report among the parts"
	if unfinished {
		why = "a runner ended before its run did"
	}
	m.out.Warnings = addWarning(m.out.Warnings, fmt.Sprintf(
		"%s: the runners' reports have %d attempts, and Collectors judged %d; what was sent and "+
			"not judged cannot be counted",
		why, runners.out.Totals.Attempts, m.out.Totals.Attempts))
}

// sent makes counts of judged attempts those of all that were sent. What a
// runner can tell without spans is as it says; the rest is undecided.
func sent(judged, all *report.Counts) {
	rest := all.Attempts - judged.Attempts
	for _, v := range []verdict.Verdict{
		verdict.NotDelivered, verdict.Unsampled, verdict.Excluded,
	} {
		name := v.String()
		if all.Verdicts[name] > judged.Verdicts[name] {
			more := min(rest, all.Verdicts[name]-judged.Verdicts[name])
			rest -= more
			addVerdict(judged, name, more)
		}
	}
	addVerdict(judged, verdict.Undecided.String(), rest)
	judged.Retries = all.Retries
}

func addVerdict(c *report.Counts, name string, n uint64) {
	if n > 0 {
		c.Verdicts[name] += n
		c.Attempts += n
	}
}

// sent gives the buckets the attempts that were sent; what was judged of them
// stays.
func (s *seriesSum) sent(all *seriesSum) error {
	for s.width < all.width {
		if err := s.coarsen(); err != nil {
			return err
		}
	}
	for all.width < s.width {
		if err := all.coarsen(); err != nil {
			return err
		}
	}
	s.start = all.start
	for second, from := range all.buckets {
		b := *from
		if judged := s.buckets[second]; judged != nil {
			b.Held, b.Broken = judged.Held, judged.Broken
		}
		s.buckets[second] = &b
	}
	return nil
}
