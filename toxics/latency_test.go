package toxics

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDelaysAreBounded: whatever a distribution draws, no delay is below zero or above
// the bound, and each has some in between.
func TestDelaysAreBounded(t *testing.T) {
	t.Parallel()
	const most = maxLatency * time.Millisecond
	for _, distribution := range []string{"uniform", "normal", "pareto"} {
		f := &latencyFault{
			On: "request", Latency: maxLatency / 2, Jitter: maxLatency, Shape: 1.5,
			Distribution: distribution,
		}
		require.NoError(t, f.validate())
		random := rand.New(rand.NewPCG(1, 2))
		within, at := 0, 0
		for range 10_000 {
			d := f.delay(random)
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, most)
			if d == most {
				at++
			} else if d > 0 {
				within++
			}
		}
		assert.NotZero(t, at, distribution)
		assert.NotZero(t, within, distribution)
	}
}
