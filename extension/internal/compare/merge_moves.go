package compare

import (
	"fmt"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// addEvidence keeps a part's evidence for the end of the merge.
func (m *merger) addEvidence(p *report.Partial) {
	if p == nil {
		return
	}
	if m.evidence == nil {
		m.evidence = &report.Partial{}
	}
	m.evidence = uniteEvidence(m.evidence, p)
}

// settle brings missing attempts and claims together, and gives up what a shard
// that was not there may have seen.
func (m *merger) settle() {
	if m.evidence == nil {
		return
	}
	doubts := doubts(m.evidence.Shards)
	moves, undecided := reconsiderAll(m.evidence, doubts)
	for _, change := range moves {
		m.move(change)
	}
	m.out.Warnings = addWarning(m.out.Warnings, warnOfDoubts(doubts, undecided)...)
	if n := m.out.Totals.HopBreaks; n > 0 && len(doubts) > 0 {
		m.out.Warnings = addWarning(m.out.Warnings, fmt.Sprintf(
			"%sspans of expected services may have been lost at those times as well: of the %d "+
				"hop breaks some may be none", shardWarning, n))
	}
	if n := judgedTwice(m.evidence.Missing); n > 0 {
		m.out.Warnings = addWarning(m.out.Warnings, fmt.Sprintf(
			"%s%d attempts count twice, as their spans were delivered to two shards; of attempts "+
				"that were found on one of them this cannot be seen", shardWarning, n))
	}
}

// judgedTwice counts the attempts that are in the evidence again.
func judgedTwice(missing []report.MissingAttempt) (n int) {
	for i := 1; i < len(missing); i++ {
		for j := i - 1; j >= 0 && missing[j].TraceID == missing[i].TraceID; j-- {
			if missing[j].SpanID == missing[i].SpanID {
				n++
				break
			}
		}
	}
	return n
}

// move counts an attempt under its new verdict wherever it counts.
func (m *merger) move(c move) {
	c.apply(&m.out.Totals)
	c.control(&m.out.Control)
	for dimension, key := range c.attempt.Keys {
		row := m.rows[dimension][key]
		if row == nil {
			row = m.rows[dimension][report.Other]
		}
		if row != nil {
			c.apply(&row.Counts)
		}
	}
	m.series.move(c)
}

// apply counts an attempt under its new verdict.
func (c move) apply(counts *report.Counts) {
	switch counts.Verdicts[c.from] {
	case 0:
		return
	case 1:
		delete(counts.Verdicts, c.from)
	default:
		counts.Verdicts[c.from]--
	}
	counts.Verdicts[c.to]++
	switch before, after := broken(c.from), broken(c.to); {
	case before && !after && counts.Broken > 0:
		counts.Broken--
	case after && !before:
		counts.Broken++
	}
}

// control counts the attempt anew among injected and detected breaks. None of
// the verdicts that a move begins or ends with holds.
func (c move) control(to *report.Control) {
	before, after := broken(c.from), broken(c.to)
	switch {
	case before == after:
	case c.attempt.Injected && after:
		to.Injected++
		to.Detected++
	case c.attempt.Injected:
		to.Injected = max(1, to.Injected) - 1
		to.Detected = max(1, to.Detected) - 1
	case c.attempt.Silent && after:
		to.Unsure++
	case c.attempt.Silent:
		to.Unsure = max(1, to.Unsure) - 1
	case after:
		to.FalseBreak++
	default:
		to.FalseBreak = max(1, to.FalseBreak) - 1
	}
}

func broken(name string) bool {
	v, err := verdict.Parse(name)
	return err == nil && v.Broken()
}
