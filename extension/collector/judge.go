package collector

import (
	"cmp"
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

const (
	settleEvery  = 250 * time.Millisecond // how often settled traces are judged
	metricsEvery = 10 * time.Second       // how often metrics are sent on
)

// judge is the connector.
type judge struct {
	config Config
	log    *zap.Logger
	next   consumer.Metrics
	now    func() time.Time
	stop   chan struct{}
	loop   sync.WaitGroup

	mu       sync.Mutex
	instance string
	intake   *intake
	parts    *parts
	tally    *tally
}

var _ connector.Traces = &judge{}

func newJudge(set component.TelemetrySettings, c Config, next consumer.Metrics) *judge {
	return &judge{
		config: c, log: set.Logger, next: next, now: time.Now, stop: make(chan struct{}),
	}
}

// Capabilities implements consumer.Traces: batches are only read.
func (*judge) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// Start implements component.Component. A directory that cannot be written
// stops the Collector before any span.
func (j *judge) Start(context.Context, component.Host) error {
	if err := writableDir(j.config.Directory); err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "collector"
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	j.instance = cmp.Or(j.config.Instance, name)
	j.intake, j.tally = newIntake(j.config, now), newTally(now)
	j.parts = newParts(j.config, j.instance, now)
	j.loop.Go(j.run)
	return nil
}

func (j *judge) run() {
	settle, metrics := time.NewTicker(settleEvery), time.NewTicker(metricsEvery)
	defer settle.Stop()
	defer metrics.Stop()
	window := time.NewTicker(j.config.Window)
	defer window.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-settle.C:
			j.advance(j.intake.advance)
		case <-metrics.C:
			j.send(context.Background())
		case <-window.C:
			j.write()
		}
	}
}

// ConsumeTraces implements consumer.Traces.
func (j *judge) ConsumeTraces(_ context.Context, td ptrace.Traces) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.intake.take(td, j.now())
}

// advance judges what settles.
func (j *judge) advance(settled func(time.Time) []*join.Trace) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	traces := settled(now)
	for _, t := range traces {
		j.tally.add(j.parts.add(t, now))
	}
	j.intake.store.Recycle(traces)
	j.parts.claim(j.intake.takeClaims())
}

func (j *judge) write() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.parts.write(j.spans(), false, j.now()); err != nil {
		j.log.Error("the partial report could not be written; it is kept for the next window",
			zap.Error(err))
	}
}

// spans is the ledger of spans since the start. The lock is held.
func (j *judge) spans() report.Spans {
	s := j.intake.store.Stats()
	return report.Spans{
		Received: s.Spans, Rejected: j.intake.rejected, Foreign: s.Foreign, Late: s.Late,
		Redelivered: s.Redelivered + j.intake.doubled, Truncated: s.Truncated,
		Evicted: s.Evicted, Dropped: j.intake.lost,
	}
}

func (j *judge) send(ctx context.Context) {
	j.mu.Lock()
	metrics := j.tally.metrics(j.spans(), j.intake.store.Stats().Open, j.instance, j.now())
	j.mu.Unlock()
	if err := j.next.ConsumeMetrics(ctx, metrics); err != nil {
		j.log.Warn("the metrics were not accepted; the next ones hold all counts", zap.Error(err))
	}
}

// Shutdown implements component.Component: what was still due is undecided,
// and the last reports and metrics are written.
func (j *judge) Shutdown(ctx context.Context) error {
	j.mu.Lock()
	started := j.intake != nil
	j.mu.Unlock()
	if !started {
		return nil
	}
	close(j.stop)
	j.loop.Wait()
	j.advance(func(now time.Time) []*join.Trace {
		return j.intake.drain("the Collector stopped before its spans were due", now)
	})
	j.send(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.parts.write(j.spans(), true, j.now()); err != nil {
		return errors.Join(errors.New("the last partial reports are lost"), err)
	}
	return nil
}
