package backend_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

func idOf(n uint64) (id tracecontext.TraceID) {
	binary.BigEndian.PutUint64(id[:8], n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], n+1)
	return id
}

func recordOf(id tracecontext.TraceID, n byte) span.Record {
	return span.Record{
		TraceID: id, SpanID: tracecontext.SpanID{n}, Kind: span.KindServer,
		Descriptor: &span.Descriptor{Service: "a"},
	}
}

// script is a source that answers by the number of the query.
type script struct {
	mu    sync.Mutex
	asked int
	fetch func(ctx context.Context, n int, id tracecontext.TraceID) ([]span.Record, backend.Status, error)
}

func (s *script) Fetch(
	ctx context.Context, id tracecontext.TraceID,
) ([]span.Record, backend.Status, error) {
	s.mu.Lock()
	s.asked++
	n := s.asked
	s.mu.Unlock()
	return s.fetch(ctx, n, id)
}

func (*script) Check(context.Context) error { return nil }

// outcome is what came out of a poller.
type outcome struct {
	mu      sync.Mutex
	spans   []span.Record
	partial map[tracecontext.TraceID][]string
}

// poll starts a poller in the test's bubble, and stops it at the end.
func poll(t *testing.T, s backend.Source, cfg backend.PollerConfig) (*backend.Poller, *outcome) {
	t.Helper()
	o := &outcome{partial: make(map[tracecontext.TraceID][]string)}
	cfg.Sink = func(b []span.Record) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.spans = append(o.spans, b...)
	}
	cfg.MarkPartial = func(id tracecontext.TraceID, detail string) bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.partial[id] = append(o.partial[id], detail)
		return true
	}
	p, err := backend.NewPoller(s, cfg)
	noError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return p, o
}

func TestATraceIsAskedForUntilTheEndOfItsTime(t *testing.T) {
	t.Parallel()
	id := idOf(1)
	failure := errors.New("status 500: oops")
	cases := map[string]struct {
		fetch   func(ctx context.Context, n int) ([]span.Record, backend.Status, error)
		spans   int
		partial []string
	}{
		"there at last": {func(_ context.Context, n int) ([]span.Record, backend.Status, error) {
			if n < 3 {
				return nil, backend.Absent, nil
			}
			return []span.Record{recordOf(id, 1)}, backend.Found, nil
		}, 1, nil},
		"growing": {func(_ context.Context, n int) ([]span.Record, backend.Status, error) {
			return []span.Record{recordOf(id, 1), recordOf(id, byte(min(n, 3)))}, backend.Found, nil
		}, 3, nil},
		"never there": {func(context.Context, int) ([]span.Record, backend.Status, error) {
			return nil, backend.Absent, nil
		}, 0, nil},
		"failing at first": {func(_ context.Context, n int) ([]span.Record, backend.Status, error) {
			if n < 3 {
				return nil, backend.Absent, failure
			}
			return nil, backend.Absent, nil
		}, 0, nil},
		"failing at last": {func(_ context.Context, n int) ([]span.Record, backend.Status, error) {
			if n < 3 {
				return nil, backend.Absent, nil
			}
			return nil, backend.Absent, failure
		}, 0, []string{"status 500: oops"}},
		"partial": {func(context.Context, int) ([]span.Record, backend.Status, error) {
			return []span.Record{recordOf(id, 1)}, backend.Partial, errors.New("too large")
		}, 1, []string{"too large"}},
		"never answering": {func(ctx context.Context, _ int) ([]span.Record, backend.Status, error) {
			<-ctx.Done()
			return nil, backend.Absent, ctx.Err()
		}, 0, []string{"context deadline exceeded"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{fetch: func(
					ctx context.Context, n int, _ tracecontext.TraceID,
				) ([]span.Record, backend.Status, error) {
					return c.fetch(ctx, n)
				}}
				p, o := poll(t, s, backend.PollerConfig{Settle: 10 * time.Second})
				p.Enqueue(id, time.Now())
				p.Enqueue(id, time.Now())
				time.Sleep(10*time.Second + time.Millisecond)
				synctest.Wait()
				equal(t, c.spans, len(o.spans))
				equal(t, c.partial, o.partial[id])
				stats := p.Stats()
				equal(t, 0, stats.Pending)
				equal(t, 1, int(stats.Enqueued))
				equal(t, uint64(s.asked), stats.Queries)
				equal(t, stats.Queries, stats.Found+stats.Absent+stats.Partial+stats.Failed)
			})
		})
	}
}

func TestAForgottenTraceIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{fetch: func(
			_ context.Context, _ int, id tracecontext.TraceID,
		) ([]span.Record, backend.Status, error) {
			return []span.Record{recordOf(id, 1)}, backend.Found, nil
		}}
		p, o := poll(t, s, backend.PollerConfig{Settle: 10 * time.Second})
		p.Enqueue(idOf(1), time.Now())
		time.Sleep(1500 * time.Millisecond)
		p.Forget(idOf(1), func(tracecontext.TraceID) bool { return false })
		time.Sleep(time.Minute)
		equal(t, 1, s.asked)
		equal(t, 0, len(o.partial))
		equal(t, 0, p.Stats().Pending)
	})
}

func TestASourceThatIsTooSlowForAllLeavesNoneUnmarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{fetch: func(
			ctx context.Context, _ int, _ tracecontext.TraceID,
		) ([]span.Record, backend.Status, error) {
			select {
			case <-time.After(3 * time.Second):
				return nil, backend.Absent, nil
			case <-ctx.Done():
				return nil, backend.Absent, ctx.Err()
			}
		}}
		p, o := poll(t, s, backend.PollerConfig{Settle: 10 * time.Second, Concurrency: 2})
		for n := range uint64(500) {
			p.Enqueue(idOf(n), time.Now())
		}
		time.Sleep(13*time.Second + time.Millisecond)
		synctest.Wait()
		equal(t, 0, p.Stats().Pending)
		marked := 0
		for _, details := range o.partial {
			equal(t, 1, len(details))
			marked++
		}
		equal(t, uint64(marked), p.Stats().Undecided)
		equal(t, true, marked > 490)
	})
}

func TestOneTraceTooManyIsMarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{fetch: func(
			context.Context, int, tracecontext.TraceID,
		) ([]span.Record, backend.Status, error) {
			return nil, backend.Absent, nil
		}}
		p, o := poll(t, s, backend.PollerConfig{Settle: time.Second, MaxPending: 2})
		for n := range uint64(3) {
			p.Enqueue(idOf(n), time.Now())
		}
		equal(t, 1, len(o.partial))
		equal(t, []string{backend.ReasonBacklog}, o.partial[idOf(2)])
	})
}

func TestAnInterruptedPollerMarksTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{fetch: func(
			ctx context.Context, _ int, _ tracecontext.TraceID,
		) ([]span.Record, backend.Status, error) {
			<-ctx.Done()
			return nil, backend.Absent, ctx.Err()
		}}
		partial := make(map[tracecontext.TraceID]string)
		p, err := backend.NewPoller(s, backend.PollerConfig{
			Sink:        func([]span.Record) {},
			MarkPartial: func(id tracecontext.TraceID, d string) bool { partial[id] = d; return true },
		})
		noError(t, err)
		for n := range uint64(20) {
			p.Enqueue(idOf(n), time.Now())
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		p.Run(ctx)
		equal(t, 20, len(partial))
		equal(t, backend.ReasonInterrupted, partial[idOf(7)])
	})
}

func TestASampleIsDeterminedByItsSeed(t *testing.T) {
	t.Parallel()
	newPoller := func(sample float64, seed uint64) *backend.Poller {
		p, err := backend.NewPoller(&script{}, backend.PollerConfig{
			Sample: sample, Seed: seed,
			Sink: func([]span.Record) {}, MarkPartial: func(tracecontext.TraceID, string) bool { return true },
		})
		noError(t, err)
		return p
	}
	a, same, other := newPoller(0.1, 1), newPoller(0.1, 1), newPoller(0.1, 2)
	wide := newPoller(0.2, 1)
	selected, differing := 0, 0
	for n := range uint64(100_000) {
		in := a.Selected(idOf(n))
		equal(t, in, same.Selected(idOf(n)))
		if in {
			selected++
			equal(t, true, wide.Selected(idOf(n)))
		}
		if in != other.Selected(idOf(n)) {
			differing++
		}
	}
	equal(t, true, selected > 9_600 && selected < 10_400) // 4 standard deviations
	equal(t, true, differing > 17_000 && differing < 19_000)
	a.Enqueue(idOf(0), time.Now())
	equal(t, uint64(1), a.Stats().NotSampled+a.Stats().Enqueued)
}

func TestBadPollerSettingsAreRefused(t *testing.T) {
	t.Parallel()
	sink, mark := func([]span.Record) {}, func(tracecontext.TraceID, string) bool { return true }
	for want, cfg := range map[string]backend.PollerConfig{
		"sample must be between 0 and 1, got 1.5":     {Sample: 1.5, Sink: sink, MarkPartial: mark},
		"concurrency must be between 1 and 256, got":  {Concurrency: -1, Sink: sink, MarkPartial: mark},
		"limits and times must not be negative":       {Settle: -1, Sink: sink, MarkPartial: mark},
		"a sink and a function for partial traces":    {},
		"concurrency must be between 1 and 256, got ": {Concurrency: 1000, Sink: sink, MarkPartial: mark},
	} {
		_, err := backend.NewPoller(&script{}, cfg)
		errorWith(t, err, want)
	}
}
