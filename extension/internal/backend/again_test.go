package backend_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// settling is a run with a settle time of its own, and a count of the queries for traces.
func settling(t *testing.T, settle time.Duration) (r *run, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	spec, err := backend.ParseSource("jaeger=" + serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/v3/traces/") {
			asked.Add(1)
		}
		fails(http.StatusNotFound, jaeger404)(w, 1)
	}).String())
	noError(t, err)
	store := join.New(join.Config{Settle: settle, Linger: time.Millisecond})
	feed, err := backend.NewFeed(spec, backend.FeedConfig{
		Settle: settle, Store: store, Warn: func(string) {},
	})
	noError(t, err)
	t.Cleanup(feed.Close)
	return &run{t: t, store: store, feed: feed}, asked
}

// TestOperationsOfATraceThatEndAtOnceAreAskedFor: the source has not been asked, whichever
// of them ends last, so the trace waits for it.
func TestOperationsOfATraceThatEndAtOnceAreAskedFor(t *testing.T) {
	t.Parallel()
	r, _ := settling(t, time.Hour)
	for n := range uint64(100_000) {
		id, now := idOf(n), time.Now()
		var ends sync.WaitGroup
		for s := range byte(2) {
			r.store.Open(id, now)
			ends.Go(func() {
				r.store.Finish(span.Attempt{
					TraceID: id, SpanID: tracecontext.SpanID{s + 1}, Sampled: true,
					Status: 200, Labels: &span.Labels{},
				}, now)
				r.feed.Closed(id)
			})
		}
		ends.Wait()
		if n%1000 == 999 {
			equal(t, 0, len(r.store.Advance(now.Add(time.Minute))))
			r.store.Drain("", now)
		}
	}
}

// TestATraceThatIsOpenAgainStaysWithTheSource: an operation may begin and end between the
// settling of its trace and the word that it has settled.
func TestATraceThatIsOpenAgainStaysWithTheSource(t *testing.T) {
	t.Parallel()
	r, asked := settling(t, 10*time.Second)
	r.send(idOf(1))
	r.store.Spans([]span.Record{{
		TraceID: idOf(1), SpanID: tracecontext.SpanID{2}, ParentID: tracecontext.SpanID{7: 0xa1},
		Kind: span.KindServer, Descriptor: &span.Descriptor{},
	}}, time.Now())
	settled := r.store.Advance(time.Now().Add(time.Second))
	equal(t, 1, len(settled))
	r.send(idOf(1))
	r.feed.Settled(settled[0].ID)
	equal(t, 0, asked.Load())
	for limit := time.Now().Add(9 * time.Second); asked.Load() == 0; time.Sleep(10 * time.Millisecond) {
		equal(t, true, time.Now().Before(limit))
	}
}

// TestATraceWhoseTimeStartsAgainIsAskedForAgain: although no worker is free until its time
// was over at first.
func TestATraceWhoseTimeStartsAgainIsAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{fetch: func(
			ctx context.Context, _ int, id tracecontext.TraceID,
		) ([]span.Record, backend.Status, error) {
			if id == idOf(1) {
				<-ctx.Done() // until the end of its time
			}
			return nil, backend.Absent, ctx.Err()
		}}
		concluded := make(map[tracecontext.TraceID]time.Time)
		p, o := poll(t, s, backend.PollerConfig{
			Settle: 10 * time.Second, Concurrency: 1,
			Concluded: func(id tracecontext.TraceID, takenOn time.Time) { concluded[id] = takenOn },
		})
		p.Enqueue(idOf(2), time.Now())
		p.Enqueue(idOf(1), time.Now().Add(time.Second/2))
		time.Sleep(9 * time.Second)
		again := time.Now()
		p.Enqueue(idOf(2), again)
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, 0, len(o.partial[idOf(2)]))
		equal(t, again, concluded[idOf(2)])
	})
}

// TestATraceOutsideTheSampleCountsOnce, however many of its operations end one by one.
func TestATraceOutsideTheSampleCountsOnce(t *testing.T) {
	t.Parallel()
	r := newRun(t, "jaeger=http://127.0.0.1:1", 1e-9)
	for range 3 {
		r.send(idOf(1))
		r.send(idOf(2))
	}
	asked, left := r.feed.Asked()
	equal(t, 0, asked)
	equal(t, 2, left)
	r.judge()
}
