package module

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

const (
	settleEvery     = 100 * time.Millisecond // how often settled traces are judged
	progressEvery   = time.Second            // how often the wait at the end shows its progress
	checkpointEvery = 10 * time.Second       // how often the report so far is saved
)

// settler judges traces as they settle, on one goroutine, while the load runs.
// VUs and receiver only add to the store and never wait for it.
type settler struct {
	run     *run
	judge   *verdict.Judge // of the one goroutine
	stop    chan struct{}
	stopped sync.WaitGroup
	signals chan os.Signal // that ask k6 to stop; k6 handles them as well
	counted struct{ received, dropped uint64 }
	room    int // for the samples of the next traces: as many as those of the last ones
}

func newSettler(r *run) *settler {
	s := &settler{
		run: r, judge: verdict.NewJudge(verdict.Options{Expect: r.settings.expect}),
		stop: make(chan struct{}), signals: make(chan os.Signal, 2),
	}
	signal.Notify(s.signals, os.Interrupt, syscall.SIGTERM)
	s.stopped.Go(s.loop)
	return s
}

func (s *settler) loop() {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	checkpoint := time.NewTicker(checkpointEvery)
	defer checkpoint.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			s.settle(now)
		case <-checkpoint.C:
			s.run.checkpoint()
		}
	}
}

// settle judges what has settled by now.
func (s *settler) settle(now time.Time) {
	s.run.store.Settle(now, func(part []*join.Trace) { s.decide(part, now) })
	s.count(now)
}

// decide turns settled traces into verdicts, report rows and metrics. It keeps
// nothing of them.
func (s *settler) decide(traces []*join.Trace, now time.Time) {
	r := s.run
	var sums *tally
	if r.instruments != nil {
		sums = r.instruments.newTally(s.room)
	}
	for _, trace := range traces {
		r.feed.Settled(trace.ID)
		outcome := s.judge.Decide(trace)
		r.builder.Add(outcome)
		if sums != nil {
			sums.add(outcome, now)
		}
	}
	if sums != nil {
		samples := sums.all()
		s.room = len(samples)
		r.push(samples)
	}
}

// maxDrained bounds the traces that are drained and judged at once.
const maxDrained = 1000

// drain judges all that is left.
func (s *settler) drain(detail string, now time.Time) {
	for part := range slices.Chunk(s.run.store.Drain(detail, now), maxDrained) {
		s.decide(part, now)
	}
	s.count(now)
}

// count pushes the growth of the span counters.
func (s *settler) count(now time.Time) {
	if s.run.instruments == nil {
		return
	}
	spans := s.run.spans()
	dropped := spans.Dropped + spans.Failed
	s.run.push(s.run.instruments.spanSamples(
		spans.Received-s.counted.received, dropped-s.counted.dropped, now))
	s.counted.received, s.counted.dropped = spans.Received, dropped
}

// finish waits for what is still due, with progress on w, and settles the rest
// as undecided when the user interrupts. It returns when every trace is judged.
//
// The first signal of a process ends the load or this wait, whichever is going on.
// At a second one k6 exits at once, by its own decision; then the checkpoint is
// what is left.
func (s *settler) finish(w io.Writer) {
	close(s.stop)
	s.stopped.Wait()
	defer signal.Stop(s.signals)
	hint := "Ctrl+C to stop waiting"
	select {
	case <-s.signals:
		hint = "after another Ctrl+C " + s.run.path(partialSuffix) + " is what is left"
	default:
	}
	detail := "the run ended before its spans were due"
	if !s.await(w, hint) {
		detail = "interrupted while settling"
		s.run.warn("settling was interrupted: what was still due is undecided")
	}
	now := time.Now()
	s.drain(detail, now)
}

// await returns true when nothing is due, or nothing that can still settle: no
// script is left to end an operation. It returns false after a signal.
func (s *settler) await(w io.Writer, hint string) bool {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	began := time.Now()
	limit := s.run.settings.settle + 2*s.run.settings.linger + 5*settleEvery
	shown := began
	for {
		now := time.Now()
		s.settle(now)
		due := s.run.store.Due()
		if due == 0 || now.Sub(began) > limit {
			return true
		}
		if now.Sub(shown) >= progressEvery {
			shown = now
			// A progress line that cannot be shown does no harm.
			_, _ = fmt.Fprintf(w, //nolint:gosec,nolintlint // a page at times, to gosec
				"continuity: settling, %d traces due, %s of at most %s (%s)\n",
				due, now.Sub(began).Round(time.Second), s.run.settings.settle, hint)
			s.run.checkpoint()
		}
		select {
		case <-tick.C:
		case <-s.signals:
			return false
		}
	}
}
