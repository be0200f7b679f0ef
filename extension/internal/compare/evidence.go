package compare

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// attemptID names an attempt: its trace and its client span.
type attemptID struct {
	trace tracecontext.TraceID
	span  tracecontext.SpanID
}

func compareIDs(a, b attemptID) int {
	return cmp.Or(bytes.Compare(a.trace[:], b.trace[:]), bytes.Compare(a.span[:], b.span[:]))
}

func missingID(m report.MissingAttempt) attemptID { return attemptID{m.TraceID, m.SpanID} }

func claimID(c report.Claim) attemptID { return attemptID{c.TraceID, c.SpanID} }

// move is a change of an attempt's verdict by a merge.
type move struct {
	attempt  *report.MissingAttempt
	from, to string
}

// uniteEvidence adds the evidence of two parts. The lists keep what was matched,
// and the verdicts follow from the lists alone, so that the result does not
// depend on which parts meet first.
func uniteEvidence(a, b *report.Partial) *report.Partial {
	out := &report.Partial{
		Missing:        slices.Concat(a.Missing, b.Missing),
		MissingDropped: a.MissingDropped + b.MissingDropped,
		Claims:         uniteClaims(a.Claims, b.Claims),
		ClaimsDropped:  a.ClaimsDropped + b.ClaimsDropped,
		Shards:         uniteShards(a.Shards, b.Shards),
	}
	slices.SortFunc(out.Missing, func(x, y report.MissingAttempt) int {
		return cmp.Or(bytes.Compare(x.TraceID[:], y.TraceID[:]), cmp.Compare(x.Order, y.Order),
			bytes.Compare(x.SpanID[:], y.SpanID[:]), strings.Compare(x.Verdict, y.Verdict),
			strings.Compare(keysOf(&x), keysOf(&y)))
	})
	return out
}

// keysOf is an order among the rows of an attempt that two shards have judged.
func keysOf(m *report.MissingAttempt) string {
	var all strings.Builder
	for _, dimension := range report.Dimensions() {
		all.WriteString(m.Keys[dimension])
		all.WriteByte(0)
	}
	return all.String()
}

// reconsiderAll gives all attempts their verdicts under the evidence. It returns
// those that change, and how many each doubt has left undecided.
func reconsiderAll(p *report.Partial, doubts []doubt) (moves []move, undecided map[*doubt]int) {
	undecided = make(map[*doubt]int)
	for rest := p.Missing; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].TraceID == rest[0].TraceID {
			n++
		}
		moves = append(moves, reconsider(rest[:n], p.Claims, func(a *report.MissingAttempt) bool {
			d := doubtOf(doubts, a)
			if d != nil {
				undecided[d]++
			}
			return d != nil
		})...)
		rest = rest[n:]
	}
	return moves, undecided
}

// reconsider gives the attempts of one trace their verdicts under the claims.
// The rules are those of package verdict: a claim tells a restart, and the spans
// that were lost are counted off against the attempts that nothing else explains.
// Of what is in doubt then, the absence of spans proves nothing.
func reconsider(
	attempts []report.MissingAttempt, claims []report.Claim,
	inDoubt func(*report.MissingAttempt) bool,
) []move {
	missing, lost := verdict.Missing.String(), verdict.SpanLost.String()
	uncounted := 0
	for i := range attempts {
		if attempts[i].Verdict == lost {
			uncounted++
		}
	}
	var moves []move
	for i := range attempts {
		a := &attempts[i]
		judged := cmp.Or(a.Verdict, missing)
		verdictNow := judged
		switch claimed := claimVerdict(claims, missingID(*a)); {
		case claimed != "":
			verdictNow = claimed
		case judged == verdict.Undecided.String():
		case inDoubt(a):
			verdictNow = verdict.Undecided.String()
		case uncounted > 0:
			uncounted--
			verdictNow = lost
		default:
			verdictNow = missing
		}
		before := cmp.Or(a.Merged, judged)
		a.Merged = ""
		if verdictNow != judged {
			a.Merged = verdictNow
		}
		if verdictNow != before {
			moves = append(moves, move{a, before, verdictNow})
		}
	}
	return moves
}

// claimVerdict is what a claim says of an attempt; empty without one. Of a trace
// that was split, no part has seen enough to tell.
func claimVerdict(claims []report.Claim, id attemptID) string {
	i, found := slices.BinarySearchFunc(claims, id, func(c report.Claim, id attemptID) int {
		return compareIDs(claimID(c), id)
	})
	switch {
	case !found:
		return ""
	case claims[i].Root == id.trace:
		return verdict.Undecided.String()
	default:
		return verdict.Restarted.String()
	}
}

// mergedVerdict is the verdict that a merge gave an attempt; empty for none.
func mergedVerdict(missing []report.MissingAttempt, id attemptID) string {
	i, _ := slices.BinarySearchFunc(missing, id.trace,
		func(m report.MissingAttempt, trace tracecontext.TraceID) int {
			return bytes.Compare(m.TraceID[:], trace[:])
		})
	for ; i < len(missing) && missing[i].TraceID == id.trace; i++ {
		if missing[i].SpanID == id.span {
			return missing[i].Merged
		}
	}
	return ""
}

// uniteClaims keeps one claim per attempt: that of its own trace, else the one
// with the smallest root, as a service that retried inside may have started
// several traces.
func uniteClaims(a, b []report.Claim) []report.Claim {
	out := slices.Concat(a, b)
	slices.SortFunc(out, func(x, y report.Claim) int {
		return cmp.Or(compareIDs(claimID(x), claimID(y)), foreign(x)-foreign(y),
			bytes.Compare(x.Root[:], y.Root[:]))
	})
	return slices.CompactFunc(out, func(x, y report.Claim) bool { return claimID(x) == claimID(y) })
}

func foreign(c report.Claim) int {
	if c.Root == c.TraceID {
		return 0
	}
	return 1
}
