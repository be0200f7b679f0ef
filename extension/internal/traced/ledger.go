package traced

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// ledger is a span processor that never blocks the load and never loses a span
// without counting it. Several workers take batches off one queue, so that a
// slow endpoint is answered with parallel exports before anything is dropped.
//
// A span is in exactly one place of the counts at any time, and moves under mu:
//
//	open ──► waiting ──► sending ──► exported | failed
//	  └─────────┴───────────┴──────► dropped
type ledger struct {
	exporter sdktrace.SpanExporter
	config   batching
	warn     func(string)
	queue    chan sdktrace.ReadOnlySpan
	hurry    chan struct{} // makes a worker export what it has collected
	stop     chan struct{}
	cancel   context.CancelFunc
	workers  sync.WaitGroup
	stopped  sync.Once

	// collecting is held by the worker whose batch is being filled: the others
	// export, or wait for their turn, so that few spans make few batches.
	collecting sync.Mutex

	mu     sync.Mutex
	counts counts
	closed bool // Shutdown counts what is left: OnEnd must not queue more
	warned bool // of a failed export
}

// counts is the ledger's account of all spans.
type counts struct {
	started, exported, failed, dropped uint64
	open, waiting, sending             uint64
}

var _ sdktrace.SpanProcessor = &ledger{}

func newLedger(
	ctx context.Context, exporter sdktrace.SpanExporter, config batching, warn func(string),
) *ledger {
	ctx, cancel := context.WithCancel(ctx)
	l := &ledger{
		exporter: exporter, config: config, warn: warn, cancel: cancel,
		queue: make(chan sdktrace.ReadOnlySpan, config.queue),
		hurry: make(chan struct{}), stop: make(chan struct{}),
	}
	for range config.workers {
		l.workers.Go(func() { l.work(ctx) })
	}
	return l
}

// OnStart implements sdktrace.SpanProcessor.
func (l *ledger) OnStart(ctx context.Context, _ sdktrace.ReadWriteSpan) {
	if c := creationOf(ctx); c == nil || c.late == nil {
		l.begin()
	}
}

// begin counts a span of which the SDK may not know yet. What begins after the
// shutdown is no longer counted, as the SDK makes nothing of it.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.counts.started++
		l.counts.open++
	}
}

// OnEnd implements sdktrace.SpanProcessor. It never waits: a span that finds
// the queue full is dropped, and counted.
func (l *ledger) OnEnd(s sdktrace.ReadOnlySpan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts.open == 0 {
		return // Shutdown has counted it
	}
	l.counts.open--
	if l.closed {
		l.counts.dropped++
		return
	}
	select {
	case l.queue <- s:
		l.counts.waiting++
	default:
		l.counts.dropped++
	}
}

// move changes the counts. Readers see all of a change or nothing.
func (l *ledger) move(change func(*counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.counts)
}

func (l *ledger) stats() Ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	return Ledger{
		Started: c.started, Exported: c.exported, Failed: c.failed, Dropped: c.dropped,
		InFlight: c.open + c.waiting + c.sending,
	}
}

// work exports batches until the ledger stops and the queue is empty.
func (l *ledger) work(ctx context.Context) {
	batch := make([]sdktrace.ReadOnlySpan, 0, l.config.batch)
	timer := time.NewTimer(l.config.delay)
	defer timer.Stop()
	for {
		if batch = l.next(batch[:0], timer); len(batch) == 0 {
			return
		}
		l.export(ctx, batch)
		clear(batch)
	}
}

// next waits for the worker's turn and fills its batch; an empty batch means
// that the ledger has stopped.
func (l *ledger) next(
	batch []sdktrace.ReadOnlySpan, timer *time.Timer,
) []sdktrace.ReadOnlySpan {
	l.collecting.Lock()
	defer l.collecting.Unlock()
	select {
	case first := <-l.queue:
		return l.collect(append(batch, first), timer)
	case <-l.stop:
	}
	select {
	case first := <-l.queue:
		return l.collect(append(batch, first), timer)
	default:
		return batch
	}
}

// collect fills the batch from the queue until it is full, its delay has
// passed, or somebody waits for it and the queue is empty.
func (l *ledger) collect(
	batch []sdktrace.ReadOnlySpan, timer *time.Timer,
) []sdktrace.ReadOnlySpan {
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
		case <-l.hurry:
			return batch
		case <-l.stop:
			return batch
		}
	}
	return batch
}

// left is how many spans wait or are being sent.
func (l *ledger) left() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts.waiting + l.counts.sending
}

// ForceFlush implements sdktrace.SpanProcessor: it waits until nothing is queued.
func (l *ledger) ForceFlush(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for left := l.left(); left > 0; left = l.left() {
		select {
		case l.hurry <- struct{}{}:
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d spans are still queued: %w", left, ctx.Err())
		}
	}
	return nil
}

// Shutdown implements sdktrace.SpanProcessor: it exports what is queued, and
// when ctx ends first, cancels the exports and counts the rest as lost. So are
// the spans that have not ended by then.
func (l *ledger) Shutdown(ctx context.Context) (err error) {
	l.stopped.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
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
		l.move(func(c *counts) {
			c.dropped += c.open
			c.open = 0
		})
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, l.exporter.Shutdown(closing))
	})
	return err
}
