package compare

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
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

// uniteEvidence adds the evidence of two parts. It returns the attempts that are
// to move from missing to restarted: those which one part misses and the other
// holds a claim for. Both lists keep what was matched, flagged, so that the
// result does not depend on which parts meet first.
func uniteEvidence(a, b *report.Partial) (*report.Partial, []report.MissingAttempt) {
	out := &report.Partial{
		Missing:        slices.Concat(a.Missing, b.Missing),
		MissingDropped: a.MissingDropped + b.MissingDropped,
		Claims:         uniteClaims(a.Claims, b.Claims),
		ClaimsDropped:  a.ClaimsDropped + b.ClaimsDropped,
	}
	slices.SortFunc(out.Missing, func(x, y report.MissingAttempt) int {
		return compareIDs(missingID(x), missingID(y))
	})
	var moved []report.MissingAttempt
	for i := range out.Missing {
		m := &out.Missing[i]
		if m.Restarted || !claimed(out.Claims, missingID(*m)) {
			continue
		}
		m.Restarted = true
		moved = append(moved, *m)
	}
	return out, moved
}

func claimed(claims []report.Claim, id attemptID) bool {
	_, found := slices.BinarySearchFunc(claims, id, func(c report.Claim, id attemptID) int {
		return compareIDs(claimID(c), id)
	})
	return found
}

func wasMoved(missing []report.MissingAttempt, id attemptID) bool {
	i, found := slices.BinarySearchFunc(missing, id,
		func(m report.MissingAttempt, id attemptID) int { return compareIDs(missingID(m), id) })
	return found && missing[i].Restarted
}

// uniteClaims keeps one claim per attempt, the one with the smallest root: a
// service that retried inside may have started several traces.
func uniteClaims(a, b []report.Claim) []report.Claim {
	out := slices.Concat(a, b)
	slices.SortFunc(out, func(x, y report.Claim) int {
		return cmp.Or(compareIDs(claimID(x), claimID(y)), bytes.Compare(x.Root[:], y.Root[:]))
	})
	return slices.CompactFunc(out, func(x, y report.Claim) bool { return claimID(x) == claimID(y) })
}
