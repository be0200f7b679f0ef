package module

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.k6.io/k6/v2/lib"
	"gopkg.in/guregu/null.v3"
)

// TestCheckpointIsAReport: what a killed run leaves behind can be read.
func TestCheckpointIsAReport(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	r.serve(r.attempt(map[string]string{"name": "a"}, 1))
	r.attempt(map[string]string{"name": "b"}, 1)
	for r.builder.Report(time.Now()).Totals.Attempts == 0 {
		time.Sleep(time.Millisecond)
	}
	r.checkpoint()
	partial := r.reportOf(partialSuffix)
	assert.Equal(t, map[string]uint64{"continued": 1}, partial.Totals.Verdicts)
	assert.Equal(t, r.id, partial.Run.ID)
	assert.Contains(t, partial.Warnings, "the run had not ended: this is what was settled by then")
	r.interrupt()
	assert.NotContains(t, r.reportOf(".json").Warnings, partial.Warnings[0])
}

// TestCheckpointsAtOneTime: the settler's and the one at the end of the load.
func TestCheckpointsAtOneTime(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	var saved sync.WaitGroup
	for range 20 {
		saved.Go(r.checkpoint)
	}
	saved.Wait()
	assert.Empty(t, r.warned.all())
	assert.Equal(t, r.id, r.reportOf(partialSuffix).Run.ID)
	r.interrupt()
}

// TestCheckpointLeavesTheUserAgent: by it, Jaeger is searched for restarted traces
// until the end, and the end begins with a checkpoint.
func TestCheckpointLeavesTheUserAgent(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	r.options.Store(&lib.Options{UserAgent: null.StringFrom("mine")})
	for range 2 {
		r.checkpoint()
		assert.Equal(t, "mine", r.userAgent())
	}
	assert.Equal(t, "mine", r.reportOf(partialSuffix).Run.Options["k6.userAgent"])
	r.interrupt()
}
