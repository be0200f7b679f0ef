package verdict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
)

// TestVerdictsAreWhatHappened makes loads at random of which it knows what becomes of each
// attempt, sends attempts and spans to a store as services with exporters of their own
// would, late and out of order, and expects just that of every attempt, once.
func TestVerdictsAreWhatHappened(t *testing.T) {
	t.Parallel()
	for seed := range uint64(15) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(seed, join.Config{})
			w.run(t, forever)
			for id, want := range w.truth {
				assert.Equal(t, want, w.judged[id], w.stories[id])
			}
			assert.Len(t, w.judged, len(w.truth))
			assert.Equal(t, w.edges, w.seen)
			stats := w.store.Stats()
			assert.Equal(t, uint64(len(w.truth)), stats.Attempts)
			assert.Zero(t, stats.Open+int(stats.Late+stats.Evicted+stats.Truncated))
		})
	}
}

// TestWhatIsCutShortIsNeverCalledBroken: a run that ends early, and a store with too little
// room, leave attempts undecided, and call none broken that is not.
func TestWhatIsCutShortIsNeverCalledBroken(t *testing.T) {
	t.Parallel()
	for seed := range uint64(15) {
		for name, config := range map[string]join.Config{
			"interrupted": {}, "little room": {MaxTraces: 8}, "few spans": {MaxSpans: 3},
		} {
			t.Run(fmt.Sprint(name, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(seed, config)
				end := forever
				if name == "interrupted" {
					end = int64(20*time.Second) + w.random.Int64N(int64(40*time.Second))
				}
				w.run(t, end)
				undecided := 0
				for id, got := range w.judged {
					if want := w.truth[id]; got == "undecided" && want != "undecided" {
						undecided++
					} else if got != "continued" || !strings.HasPrefix(want, "duplicated") {
						assert.Equal(t, want, got, w.stories[id])
					}
				}
				assert.NotZero(t, undecided)
				assert.Len(t, w.judged, int(w.store.Stats().Attempts))
			})
		}
	}
}
