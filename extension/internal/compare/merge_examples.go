package compare

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// mergedExamples is how many examples a merged report keeps of a verdict.
const mergedExamples = 8

// movedReason is the reason of an attempt that a merge found restarted after a
// part had judged it missing. Any other change has the earlier verdict with it.
const (
	movedReason = "handled in another trace, found by merging"
	otherReason = "found by merging, before: "
)

// reasonOf is the reason of an attempt that a merge moved.
func reasonOf(from, to string) string {
	if from == verdict.Missing.String() && to == verdict.Restarted.String() {
		return movedReason
	}
	return otherReason + from
}

// movedFrom reads what an attempt was before a merge moved it.
func movedFrom(reason string) (from string, moved bool) {
	if reason == movedReason {
		return verdict.Missing.String(), true
	}
	return strings.CutPrefix(reason, otherReason)
}

func cloneExamples(list []report.Example) []report.Example {
	out := slices.Clone(list)
	for i := range out {
		out[i].Attempts = slices.Clone(out[i].Attempts)
	}
	return out
}

// chooseExamples gives moved attempts their new verdict and keeps a bounded
// number per verdict: those whose trace ids hash lowest, a choice that does not
// depend on the order of merging. An example that was moved still competes with
// those of its old verdict, or what is kept would depend on when its claim came.
func chooseExamples(list []report.Example, evidence *report.Partial) []report.Example {
	if evidence != nil {
		for i := range list {
			moveExample(&list[i], evidence)
		}
	}
	slices.SortFunc(list, func(a, b report.Example) int {
		return cmp.Or(strings.Compare(origin(&a), origin(&b)), cmp.Compare(draw(&a), draw(&b)),
			bytes.Compare(a.TraceID[:], b.TraceID[:]), compareAttempts(&a, &b))
	})
	kept, count := list[:0], make(map[string]int)
	for i := range list {
		from := origin(&list[i])
		if count[from]++; count[from] <= mergedExamples {
			kept = append(kept, list[i])
		}
	}
	slices.SortStableFunc(kept, func(a, b report.Example) int {
		return exampleRank(a.Verdict) - exampleRank(b.Verdict)
	})
	return kept
}

// compareAttempts orders examples of one trace by the attempts they show.
func compareAttempts(a, b *report.Example) int {
	return slices.CompareFunc(a.Attempts, b.Attempts, func(x, y report.ExampleAttempt) int {
		return cmp.Or(strings.Compare(x.SpanID.String(), y.SpanID.String()),
			strings.Compare(x.Verdict, y.Verdict))
	})
}

// origin is the verdict under which an example was collected.
func origin(e *report.Example) string {
	if from, moved := movedFrom(e.Reason); moved {
		return from
	}
	return e.Verdict
}

func draw(e *report.Example) uint64 {
	h := sha256.Sum256(e.TraceID[:])
	return binary.BigEndian.Uint64(h[:8])
}

// exampleRank is the order in which reports list examples: the worst first.
func exampleRank(v string) int {
	return slices.Index([]string{
		verdict.Missing.String(), verdict.Restarted.String(), verdict.Reparented.String(),
		verdict.SpanLost.String(), verdict.Duplicated.String(), verdict.Undecided.String(),
		verdict.Continued.String(),
	}, v)
}

// moveExample gives the attempts of an example their merged verdicts. The
// example follows when no attempt is left of the verdict that it shows.
func moveExample(e *report.Example, evidence *report.Partial) {
	shown := origin(e)
	left, to := false, ""
	for i := range e.Attempts {
		a := &e.Attempts[i]
		before := a.Verdict
		if from, moved := movedFrom(a.Reason); moved {
			before = from
		}
		merged := mergedVerdict(evidence.Missing, attemptID{e.TraceID, a.SpanID})
		switch {
		case merged != "":
			a.Verdict, a.Reason = merged, reasonOf(before, merged)
		case before != a.Verdict:
			a.Verdict, a.Reason = before, ""
		}
		if before != shown {
			continue
		}
		if merged == "" {
			left = true
		} else if to == "" {
			to = merged
		}
	}
	switch {
	case !left && to != "":
		e.Verdict, e.Reason = to, reasonOf(shown, to)
	case e.Verdict != shown:
		e.Verdict, e.Reason = shown, ""
	}
}
