package backend

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// FeedConfig says what a feed brings where.
type FeedConfig struct {
	Settle time.Duration // how long a trace is asked for
	Sample float64       // share of traces that Jaeger or Tempo is asked for; 0 means all
	Seed   uint64        // same seed, same sample
	Query  QueryConfig   // of Jaeger or Tempo; its URL is the spec's
	Agent  func() string // the load's User-Agent without the suffix; nil means empty
	Store  *join.Store   // takes the spans; its Settle must be JoinSettle
	Warn   func(string)  // told once per cause
}

// JoinSettle is how long a join must wait for a source that is given settle per
// trace: the last query starts before that, and its answer takes time.
func JoinSettle(spec Spec, settle time.Duration) time.Duration {
	switch spec.Kind {
	case KindJaeger, KindTempo:
		return settle + DefaultTimeout
	default:
		return settle
	}
}

// Feed brings spans from a source to a join for as long as a run lasts. A nil
// feed, for a source that sends by itself, does nothing. All methods are safe
// for concurrent use and none of them waits for the source, but for Close.
type Feed struct {
	cfg    FeedConfig
	source interface{ CloseIdle() }
	poller *Poller
	files  *Files
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// NewFeed starts a feed; nil for the embedded receiver and for none. A source
// that cannot be reached is a warning: it may come up later, and until then it
// makes attempts undecided.
func NewFeed(spec Spec, cfg FeedConfig) (*Feed, error) {
	ctx, stop := context.WithCancel(context.Background())
	f := &Feed{cfg: cfg, stop: stop}
	switch spec.Kind {
	case KindJaeger, KindTempo:
		if err := f.ask(ctx, spec); err != nil {
			stop()
			return nil, err
		}
	case KindFile:
		f.files = NewFiles(spec.Glob)
		f.doubt(f.files.Poll(ctx, f.sink))
		f.done.Go(func() { f.tail(ctx) })
	default:
		stop()
		return nil, nil //nolint:nilnil // a nil feed does nothing, see Feed
	}
	return f, nil
}

// ask starts the poller of a Jaeger or Tempo.
func (f *Feed) ask(ctx context.Context, spec Spec) error {
	source, err := NewSource(spec, f.cfg.Query)
	if err != nil {
		return err
	}
	f.source, _ = source.(interface{ CloseIdle() })
	f.poller, err = NewPoller(source, PollerConfig{
		Settle: f.cfg.Settle, Sample: f.cfg.Sample, Seed: f.cfg.Seed, Sink: f.sink,
		MarkPartial: func(id tracecontext.TraceID, detail string) bool {
			return f.cfg.Store.MarkPartial(id, detail, time.Now())
		},
		Wanted: f.wanted, Concluded: f.cfg.Store.Conclude,
	})
	if err != nil {
		return err
	}
	f.done.Go(func() {
		if err := source.Check(ctx); err != nil && ctx.Err() == nil {
			f.cfg.Warn(fmt.Sprintf("source %s: %v", spec, err))
		}
	})
	f.done.Go(func() { f.poller.Run(ctx) })
	return nil
}

// wanted lists the attempts of a trace that no span answers so far, by the
// User-Agent that was sent with them.
func (f *Feed) wanted(id tracecontext.TraceID) []Wanted {
	open := f.cfg.Store.Wanted(id)
	out := make([]Wanted, len(open))
	agent := ""
	if f.cfg.Agent != nil {
		agent = f.cfg.Agent()
	}
	if agent != "" {
		agent += " "
	}
	for i := range open {
		a := &open[i].Attempt
		claim := tracecontext.Correlation{TraceID: a.TraceID, SpanID: a.SpanID}
		out[i] = Wanted{
			Claim: claim, Agent: claim.Append(agent), Service: open[i].Service,
			Start: time.Unix(0, a.Start),
		}
	}
	return out
}

func (f *Feed) sink(batch []span.Record) { f.cfg.Store.Spans(batch, time.Now()) }

// tailEvery is how often files are looked at.
const tailEvery = 100 * time.Millisecond

// tail follows the files.
func (f *Feed) tail(ctx context.Context) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.doubt(f.files.Poll(ctx, f.sink))
		}
	}
}

// doubt tells the join whether an absent span proves anything.
func (f *Feed) doubt(err error) {
	s := f.files.Stats()
	detail := ""
	switch {
	case err != nil:
		detail = err.Error()
	case s.Damage != "":
		detail = "damaged file: " + s.Damage
	case s.Files == 0:
		detail = fmt.Sprintf("no file matches %q", f.files.glob)
	}
	f.cfg.Store.Doubt(detail)
}

// Closed says that a trace's operation has ended: its spans can be asked for.
func (f *Feed) Closed(id tracecontext.TraceID) {
	if f != nil && f.poller != nil && f.cfg.Store.Owes(id) {
		f.poller.Enqueue(id, time.Now())
	}
}

// Settled says that a trace needs no more spans, unless it has been opened again.
func (f *Feed) Settled(id tracecontext.TraceID) {
	if f != nil && f.poller != nil {
		f.poller.Forget(id, f.cfg.Store.Holds)
	}
}

// Asked says of how many traces the source was asked for, and how many were
// left out by the sample.
func (f *Feed) Asked() (asked, left uint64) {
	if f == nil || f.poller == nil {
		return 0, 0
	}
	s := f.poller.Stats()
	return s.Enqueued, s.NotSampled
}

// Close ends the feed.
func (f *Feed) Close() {
	if f == nil {
		return
	}
	f.stop()
	f.done.Wait()
	if f.source != nil {
		f.source.CloseIdle()
	}
	if f.files == nil {
		return
	}
	if s := f.files.Stats(); s.Damage != "" {
		f.cfg.Warn("a file is damaged, attempts without spans are undecided: " + s.Damage)
	}
}
