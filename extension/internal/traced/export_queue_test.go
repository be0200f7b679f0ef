package traced

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
)

// held is a collector that answers when it is told to.
func held(tb testing.TB) (c *collector, release func()) {
	tb.Helper()
	gate := make(chan struct{})
	c = newCollector(tb, func(ctx context.Context, _, _ int) (*coltracepb.ExportTraceServiceResponse, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return &coltracepb.ExportTraceServiceResponse{}, nil
	})
	release = sync.OnceFunc(func() { close(gate) })
	tb.Cleanup(release)
	return c, release
}

func TestLedgerOfAFullQueueAndNobodyWaits(t *testing.T) {
	t.Parallel()
	c, release := held(t)
	e := newExporting(t, to(c.address,
		"OTEL_BSP_MAX_QUEUE_SIZE", "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"))
	for range exportWorkers { // every worker has a batch that the collector holds
		e.burst(10)
		<-c.inProgress
	}
	e.burst(1_000) // returns although the collector does not
	l := e.identity()
	assert.Equal(t, uint64(1_000+10*exportWorkers), l.Started)
	assert.Equal(t, uint64(900), l.Dropped, "the queue holds 100")
	assert.Equal(t, uint64(100+10*exportWorkers), l.InFlight)
	assert.Zero(t, l.Exported)
	release()
	e.shutdown()
	l = e.identity()
	assert.Equal(t, uint64(100+10*exportWorkers), l.Exported)
	assert.Equal(t, uint64(900), l.Dropped)
	assert.Zero(t, l.Failed+l.InFlight)
	_, spans := c.received()
	assert.Equal(t, int(l.Exported), spans)
}

func TestLedgerOfATestThatEndsWithSpansQueued(t *testing.T) {
	t.Parallel()
	c, _ := held(t)
	e := newExporting(t, to(c.address, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"))
	for range exportWorkers {
		e.burst(10)
		<-c.inProgress
	}
	e.burst(1_000)
	_, open := e.tracer.Start(t.Context(), "never ended in time")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, e.Shutdown(ctx), context.DeadlineExceeded)
	l := e.identity()
	assert.Equal(t, uint64(1_001+10*exportWorkers), l.Started)
	assert.Equal(t, uint64(10*exportWorkers), l.Failed, "what was being sent")
	assert.Equal(t, uint64(1_001), l.Dropped, "what was queued, and what had not ended")
	assert.Zero(t, l.InFlight)
	open.End()
	assert.Equal(t, l, e.identity())
	require.NoError(t, e.Shutdown(t.Context()), "a second time is fine")
}

func TestLedgerOfATestThatEndsExportsWhatIsQueued(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil)
	e := newExporting(t, to(c.address, "OTEL_BSP_SCHEDULE_DELAY", "3600000"))
	e.burst(5_000)
	e.shutdown()
	l := e.identity()
	assert.Equal(t, uint64(5_000), l.Exported)
	_, spans := c.received()
	assert.Equal(t, 5_000, spans)
}

func TestShutdownWithoutTimeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c, _ := held(t)
	e := newExporting(t, to(c.address))
	e.burst(10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, e.Shutdown(ctx), context.Canceled)
	l := e.identity()
	assert.Equal(t, uint64(10), l.Failed+l.Dropped)
}
