package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// The answer carries the mark of a toxic, so without one nobody can say whether
// a toxic caused the break.
func TestABreakWithoutAnAnswerIsNotHeldAgainstTheToxics(t *testing.T) {
	t.Parallel()
	marked := func(a *span.Attempt) {
		a.Marks = &span.Marks{List: []span.Mark{{Type: "http_header", Mode: "context-removed"}}}
	}
	restart := server("gateway", 10, none, elsewhere, claims(1))
	for name, c := range map[string]struct {
		attempt span.Attempt
		span    span.Record
		verdict verdict.Verdict
		unsure  bool
	}{
		"broken, without an answer":  {attempt(1, reset), restart, verdict.Restarted, true},
		"broken, answered":           {attempt(1), restart, verdict.Restarted, false},
		"broken, marked":             {attempt(1, marked), restart, verdict.Restarted, false},
		"held, without an answer":    {attempt(1, reset), server("gateway", 10, 1), verdict.Continued, false},
		"held, marked":               {attempt(1, marked), server("gateway", 10, 1), verdict.Continued, false},
		"held, marked, sent twice":   {attempt(1, marked, sends(2)), server("gateway", 10, 1), verdict.Continued, true},
		"undecided, without a span":  {attempt(1, reset), server("gateway", 10, none, elsewhere), verdict.Undecided, false},
		"broken, marked, sent often": {attempt(1, marked, sends(3)), restart, verdict.Restarted, false},
	} {
		r := verdict.NewJudge(verdict.Options{}).Decide(trace(attempts(c.attempt), spans(c.span))).Results[0]
		assert.Equal(t, c.verdict, r.Verdict, name)
		assert.Equal(t, c.unsure, r.Unsure(), name)
	}
}
