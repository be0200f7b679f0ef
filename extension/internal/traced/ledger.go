package traced

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// ledger is a span processor that never blocks the load and never loses a span
// without counting it. Several workers take batches off one queue, so that a
// slow endpoint is answered with parallel exports before anything is dropped.
type ledger struct {
	exporter sdktrace.SpanExporter
	config   batching
	warn     func(string)
	queue    chan sdktrace.ReadOnlySpan
	stop     chan struct{}
	cancel   context.CancelFunc
	workers  sync.WaitGroup
	stopped  sync.Once

	// gate keeps OnEnd from adding to the queue once Shutdown counts what is left.
	gate   sync.RWMutex
	closed bool

	started, exported, failed, dropped atomic.Uint64
	open, waiting, sending             atomic.Int64
	failures                           atomic.Uint64
}

var _ sdktrace.SpanProcessor = &ledger{}

func newLedger(exporter sdktrace.SpanExporter, config batching, warn func(string)) *ledger {
	ctx, cancel := context.WithCancel(context.Background())
	l := &ledger{
		exporter: exporter, config: config, warn: warn, cancel: cancel,
		queue: make(chan sdktrace.ReadOnlySpan, config.queue), stop: make(chan struct{}),
	}
	for range config.workers {
		l.workers.Go(func() { l.work(ctx) })
	}
	return l
}

// OnStart implements sdktrace.SpanProcessor.
func (l *ledger) OnStart(context.Context, sdktrace.ReadWriteSpan) {
	l.started.Add(1)
	l.open.Add(1)
}

// OnEnd implements sdktrace.SpanProcessor. It never waits.
func (l *ledger) OnEnd(s sdktrace.ReadOnlySpan) {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if !l.closed {
		l.waiting.Add(1)
		l.open.Add(-1)
		select {
		case l.queue <- s:
			return
		default:
			l.dropped.Add(1)
			l.waiting.Add(-1)
			return
		}
	}
	l.dropped.Add(1)
	l.open.Add(-1)
}

func (l *ledger) stats() Ledger {
	return Ledger{
		Started: l.started.Load(), Exported: l.exported.Load(), Failed: l.failed.Load(),
		Dropped:  l.dropped.Load(),
		InFlight: uint64(max(0, l.open.Load()+l.waiting.Load()+l.sending.Load())),
	}
}

func (l *ledger) work(ctx context.Context) {
	batch := make([]sdktrace.ReadOnlySpan, 0, l.config.batch)
	timer := time.NewTimer(l.config.delay)
	defer timer.Stop()
	for {
		select {
		case first := <-l.queue:
			batch = l.collect(append(batch[:0], first), timer)
			l.export(ctx, batch)
			clear(batch)
		case <-l.stop:
			select {
			case first := <-l.queue:
				batch = l.collect(append(batch[:0], first), timer)
				l.export(ctx, batch)
				clear(batch)
			default:
				return
			}
		}
	}
}

// collect fills the batch from the queue until it is full, its delay has
// passed, or the ledger stops and the queue is empty.
func (l *ledger) collect(batch []sdktrace.ReadOnlySpan, timer *time.Timer) []sdktrace.ReadOnlySpan {
	timer.Reset(l.config.delay)
	for len(batch) < l.config.batch {
		select {
		case next := <-l.queue:
			batch = append(batch, next)
			continue
		default:
		}
		select {
		case next := <-l.queue:
			batch = append(batch, next)
		case <-timer.C:
			return batch
		case <-l.stop:
			return batch
		}
	}
	return batch
}

type exportKey struct{}

// exportResult is what the endpoint answered to one export.
type exportResult struct {
	mu       sync.Mutex
	answered bool
	rejected int64
	message  string
}

// export sends one batch and enters it into the ledger.
func (l *ledger) export(ctx context.Context, batch []sdktrace.ReadOnlySpan) {
	n := int64(len(batch))
	l.sending.Add(n)
	l.waiting.Add(-n)
	defer l.sending.Add(-n)
	if ctx.Err() != nil {
		l.dropped.Add(uint64(n))
		return
	}
	result := &exportResult{}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, exportKey{}, result), l.config.timeout)
	defer cancel()
	err := l.exporter.ExportSpans(ctx, batch)
	result.mu.Lock()
	defer result.mu.Unlock()
	switch {
	case result.answered:
		rejected := min(max(result.rejected, 0), n)
		l.failed.Add(uint64(rejected))
		l.exported.Add(uint64(n - rejected))
		if rejected > 0 {
			l.complain(fmt.Errorf("the endpoint rejected %d of %d spans: %s", rejected, n, result.message))
		}
	case err != nil:
		l.failed.Add(uint64(n))
		l.complain(err)
	default:
		l.exported.Add(uint64(n))
	}
}

// complain warns of the first failed export; the ledger tells of the others.
func (l *ledger) complain(err error) {
	if l.failures.Add(1) == 1 {
		l.warn(fmt.Sprintf("exporting client spans: %v (further failures are only counted)", err))
	}
}

// watchExports is the interceptor that sees the endpoint's answers: the
// exporter itself hides how many spans a partial success rejected.
func watchExports(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	result, ok := ctx.Value(exportKey{}).(*exportResult)
	if !ok || err != nil {
		return err
	}
	result.mu.Lock()
	defer result.mu.Unlock()
	result.answered = true
	if answer, ok := reply.(*coltracepb.ExportTraceServiceResponse); ok {
		result.rejected = answer.GetPartialSuccess().GetRejectedSpans()
		result.message = answer.GetPartialSuccess().GetErrorMessage()
	}
	return nil
}

// ForceFlush implements sdktrace.SpanProcessor: it waits until nothing is queued.
func (l *ledger) ForceFlush(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for l.waiting.Load()+l.sending.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d spans are still queued: %w", l.waiting.Load()+l.sending.Load(), ctx.Err())
		}
	}
	return nil
}

// Shutdown implements sdktrace.SpanProcessor: it exports what is queued, and
// when ctx ends first, cancels the exports and counts the rest as lost.
func (l *ledger) Shutdown(ctx context.Context) (err error) {
	l.stopped.Do(func() {
		l.gate.Lock()
		l.closed = true
		l.gate.Unlock()
		close(l.stop)
		done := make(chan struct{})
		go func() {
			l.workers.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-ctx.Done():
			err = ctx.Err()
			l.cancel()
			<-done
		}
		l.cancel()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, l.exporter.Shutdown(closing))
	})
	return err
}
