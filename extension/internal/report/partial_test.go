package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// TestACertainlyLostSpanIsNoEvidence: no claim of another part changes it.
func TestACertainlyLostSpanIsNoEvidence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		result   verdict.Result
		attempts int
		want     bool
	}{
		{verdict.Result{Verdict: verdict.SpanLost}, 1, true},
		{verdict.Result{Verdict: verdict.SpanLost}, 2, false},
		{verdict.Result{Verdict: verdict.SpanLost, Inferred: true}, 2, true},
		{verdict.Result{Verdict: verdict.SpanLost, Server: &span.Record{}}, 1, false},
	} {
		_, got := claimable(&c.result, c.attempts)
		assert.Equal(t, c.want, got)
	}
}
