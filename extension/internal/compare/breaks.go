package compare

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// The kinds of break that are not verdicts.
const (
	breakOrphans      = "orphans"
	breakDisconnected = "disconnected"
)

// maxExamples is how many traces are shown of each new kind of break.
const maxExamples = 3

// newBreaks lists the ways in which head breaks and base never did. The first trace
// that breaks in a new way is news; it is a regression where chance does not explain
// it. Breaks that a toxic says it caused are left out: the plan asked for them.
func newBreaks(base, head *side) []NewBreak {
	list := newVerdicts(base, head)
	list = append(list, newOrphans(base, head)...)
	return append(list, newlyDisconnected(base, head)...)
}

func newVerdicts(base, head *side) []NewBreak {
	var list []NewBreak
	due, level := head.continuity().Trials, jointLevel(brokenVerdicts())
	for _, v := range verdict.All() {
		count := head.uncaused(v)
		if !v.Broken() || count == 0 || base.perhapsUncaused(v) > 0 {
			continue
		}
		b := NewBreak{Kind: v.String(), Count: count, Of: due}
		was := interval.Proportion{Trials: base.continuity().Trials}
		now := interval.Proportion{Hits: min(count, due), Trials: due}
		b.judge(rateRow("", &was, &now, level, LowerIsBetter))
		b.Examples = first(head.examples(v), maxExamples)
		list = append(list, b)
	}
	return list
}

// brokenVerdicts is how many verdicts can be new.
func brokenVerdicts() (n int) {
	for _, v := range verdict.All() {
		if v.Broken() {
			n++
		}
	}
	return n
}

// judge takes over what the test says of base and head.
func (b *NewBreak) judge(row Row) {
	b.P, b.Significant = row.fisher(), row.Mark == MarkWorse
}

func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }

// newOrphans lists the edges on which head's spans lost their parent, and base's
// did not. Where the base lost parents elsewhere, orphans are nothing new: some
// edge or other will have its first one. There the table of edges judges those
// that both runs have, and an edge that only head has is judged by its orphans
// among all spans.
func newOrphans(base, head *side) []NewBreak {
	before := make(map[string]interval.Proportion)
	for _, e := range base.edges() {
		before[e.name] = e.Proportion
	}
	edges, clean := head.edges(), base.orphans() == 0
	level := jointLevel(len(edges))
	var list []NewBreak
	for _, e := range edges {
		orphans := e.Trials - e.Hits
		was, known := before[e.name]
		if orphans == 0 || known && (!clean || was.Hits < was.Trials) {
			continue
		}
		was.Hits = 0
		now := interval.Proportion{Hits: orphans, Trials: e.Trials}
		if !known {
			was.Trials, now.Trials = base.hops(), head.hops()
		}
		b := NewBreak{Kind: breakOrphans, Where: e.name, Count: orphans, Of: e.Trials}
		b.judge(rateRow("", &was, &now, level, LowerIsBetter))
		if clean || b.Significant {
			list = append(list, b)
		}
	}
	return list
}

// newlyDisconnected lists services that were connected in the base's traces and
// are in none of head's, where chance does not explain it: a service that few
// requests reach may be reached by none. One that starts traces of its own is in
// none of ours.
func newlyDisconnected(base, head *side) []NewBreak {
	now := make(map[string]share)
	for _, s := range head.services() {
		now[s.name] = s
	}
	services := base.services()
	level := jointLevel(len(services))
	var list []NewBreak
	for _, s := range services {
		h := now[s.name]
		if h.Hits > 0 {
			continue
		}
		h.Trials = max(h.Trials, head.traces())
		b := NewBreak{Kind: breakDisconnected, Where: s.name, Count: h.Trials, Of: h.Trials}
		b.judge(rateRow(s.name, &s.Proportion, &h.Proportion, level, HigherIsBetter))
		if b.Significant {
			list = append(list, b)
		}
	}
	return list
}
