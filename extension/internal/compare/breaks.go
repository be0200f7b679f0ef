package compare

import "github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"

// The kinds of break that are not verdicts.
const (
	breakOrphans      = "orphans"
	breakDisconnected = "disconnected"
)

// maxExamples is how many traces are shown of each new kind of break.
const maxExamples = 3

// newBreaks lists the ways in which head breaks and base never did. It is not a
// test of significance: the first trace that breaks in a new way is news. Breaks
// that a toxic says it caused are left out: the plan asked for them.
func newBreaks(base, head *side) []NewBreak {
	list := newVerdicts(base, head)
	list = append(list, newOrphans(base, head)...)
	return append(list, newlyDisconnected(base, head)...)
}

func newVerdicts(base, head *side) []NewBreak {
	var list []NewBreak
	expected := head.continuity().Trials
	for _, v := range verdict.All() {
		count := head.uncaused(v)
		if !v.Broken() || count == 0 || base.uncaused(v) > 0 {
			continue
		}
		b := NewBreak{Kind: v.String(), Count: count, Of: expected}
		b.Examples = first(head.examples(v), maxExamples)
		list = append(list, b)
	}
	return list
}

func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }

// newOrphans lists edges on which only head's spans lost their parent. Edges
// that the base did not have are rows that appeared, and orphans on them count.
func newOrphans(base, head *side) []NewBreak {
	clean := make(map[string]bool)
	for _, e := range base.edges() {
		clean[e.name] = e.Hits == e.Trials
	}
	var list []NewBreak
	for _, e := range head.edges() {
		wasClean, known := clean[e.name]
		if orphans := e.Trials - e.Hits; orphans > 0 && (wasClean || !known) {
			list = append(list, NewBreak{
				Kind: breakOrphans, Where: e.name, Count: orphans, Of: e.Trials,
			})
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
	var list []NewBreak
	for _, s := range base.services() {
		h := now[s.name]
		if h.Hits > 0 {
			continue
		}
		h.Trials = max(h.Trials, head.operations())
		row := rateRow(s.name, &s.Proportion, &h.Proportion, confidence, HigherIsBetter)
		if row.Mark == MarkWorse {
			list = append(list, NewBreak{
				Kind: breakDisconnected, Where: s.name, Count: h.Trials, Of: h.Trials,
			})
		}
	}
	return list
}
