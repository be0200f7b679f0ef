package compare

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// TestOfEqualRunsFewAreRegressions compares runs of one system, some attempts of
// which break now and then in each of the ways.
func TestOfEqualRunsFewAreRegressions(t *testing.T) {
	t.Parallel()
	const attempts, pairs, rate = 1_000, 200, 0.001
	random := rand.New(rand.NewPCG(1, 2))
	run := func() *report.Report {
		var groups []group
		held := attempts
		for _, v := range verdict.All() {
			if !v.Broken() {
				continue
			}
			broken := 0
			for range attempts {
				if random.Float64() < rate {
					broken++
				}
			}
			held -= broken
			groups = append(groups,
				group{phase: "a", name: "n", number: 1, verdict: v, n: broken, ms: 10})
		}
		return made(t, "run", 1, append(groups,
			group{phase: "a", name: "n", number: 1, verdict: verdict.Continued, n: held, ms: 10})...)
	}
	news, failed := 0, 0
	for range pairs {
		c := compared(t, Options{}, run(), run())
		news += min(1, len(c.Heads[0].NewBreaks))
		failed += c.ExitCode()
	}
	assert.Greater(t, news, pairs/3, "breaks that the other run has not are usual")
	assert.LessOrEqual(t, failed, pairs/20, "and nothing that noise explains is a verdict")
}
