package module

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/metrics"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// run is what all VUs of a test share. It is configured in the init context of
// the first VU, started once before the first iteration, and finished on k6's
// TestEnd event. All methods are safe for concurrent use.
type run struct {
	labels labelCache
	faults faultRun
	log    logrus.FieldLogger
	lookup func(string) (string, bool)
	env    func() []string // all of what lookup knows, as name=value
	id     string

	mu          sync.Mutex
	settings    settings
	configured  bool
	script      scriptInfo
	instruments *instruments
	quiet       bool // k6's own summary is off
	hookErrors  atomic.Uint64
	excluded    atomic.Uint64 // requests outside tracing

	startOnce sync.Once
	startErr  error
	started   atomic.Bool
	provider  *traced.Provider
	receiver  *otlp.Receiver
	feed      *backend.Feed // nil with a receiver
	store     *join.Store
	builder   *report.Builder
	early     earlyWarnings
	settler   *settler
	saving    sync.Mutex // held while a checkpoint is written

	samples   atomic.Pointer[chan<- metrics.SampleContainer]
	options   atomic.Pointer[lib.Options] // k6's, known with the first request
	described atomic.Bool                 // the builder has the options
}

func newRun() *run {
	return &run{
		id: newRunID(time.Now()), settings: defaultSettings(),
		log: logrus.StandardLogger(), lookup: os.LookupEnv, env: os.Environ,
	}
}

// start brings up everything that the run needs, once, and returns the error
// of that one time to every caller.
func (r *run) start() (*traced.Provider, error) {
	r.startOnce.Do(func() {
		r.startErr = r.startAll()
		r.started.Store(r.startErr == nil)
	})
	return r.provider, r.startErr
}

func (r *run) startAll() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.settings
	if err := errors.Join(s.applyEnv(r.lookup), s.validate()); err != nil {
		return err
	}
	for _, unknown := range unknownVariables(r.env()) {
		r.warn(unknown)
	}
	spec, err := r.parseSource()
	if err != nil {
		return err
	}
	if err := writableDir(s.results); err != nil {
		return fmt.Errorf("configure.results: %w", err)
	}
	r.store = join.New(join.Config{
		Settle: backend.JoinSettle(spec, s.settle), Linger: s.linger, MaxTraces: s.maxTraces,
		Expect: s.expect, Learning: s.settle,
	})
	provider, err := traced.NewProvider(context.Background(), traced.ProviderConfig{
		ServiceName: "k6", ServiceVersion: k6Version(), Version: moduleVersion(),
		Getenv: withIdentity(identity(os.Args), os.Getenv), Warn: r.warn,
	})
	if err != nil {
		return err
	}
	r.provider = provider
	r.builder = report.NewBuilder(r.describe(), report.BuilderOptions{})
	r.early.deliver(r.builder)
	if err := r.listen(spec); err != nil {
		return err
	}
	r.settler = newSettler(r)
	return nil
}

// listen opens the source of the services' spans.
func (r *run) listen(spec backend.Spec) (err error) {
	if spec.Kind != backend.KindOTLP {
		return r.openSource(spec)
	}
	s := &r.settings
	r.receiver, err = otlp.Listen(otlp.Config{
		GRPC: s.listenGRPC, HTTP: s.listenHTTP, AllowRemote: s.allowRemote,
		TLSCert: s.tlsCert, TLSKey: s.tlsKey, Token: s.token, OnWarn: r.warn,
		Sink: func(batch []span.Record) { r.store.Spans(batch, time.Now()) },
	})
	return err
}

// warn tells the user and puts the warning into the report.
func (r *run) warn(message string) {
	r.log.WithField("source", "continuity").Warn(message)
	r.early.warn(message)
}

// earlyWarnings keeps the warnings that come before there is a report to put
// them into.
type earlyWarnings struct {
	mu   sync.Mutex
	to   *report.Builder
	kept []string
}

// maxEarly bounds the warnings that are kept; a report repeats as many.
const maxEarly = 100

func (e *earlyWarnings) warn(message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.to != nil:
		e.to.Warn(message)
	case len(e.kept) < maxEarly:
		e.kept = append(e.kept, message)
	}
}

func (e *earlyWarnings) deliver(to *report.Builder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.to = to
	for _, message := range e.kept {
		to.Warn(message)
	}
	e.kept = nil
}

// noSource is why attempts are undecided when nobody tells of spans.
const noSource = "there is no source of spans"

// Expects implements traced.Sink.
func (r *run) Expects() bool { return r.settings.source != "none" }

// Open implements traced.Sink.
func (r *run) Open(id tracecontext.TraceID) {
	now := time.Now()
	r.store.Open(id, now)
	if !r.Expects() {
		r.store.MarkPartial(id, noSource, now)
	}
}

// Attempt implements traced.Sink.
func (r *run) Attempt(a span.Attempt) { r.store.Attempt(a, time.Now()) }

// Close implements traced.Sink.
func (r *run) Close(id tracecontext.TraceID) {
	r.store.Close(id, time.Now())
	r.feed.Closed(id)
}

// Whole implements traced.Sink.
func (r *run) Whole(a span.Attempt) { r.store.Whole(a, noSource) }

// Finish implements traced.Sink.
func (r *run) Finish(a span.Attempt) {
	r.store.Finish(a, time.Now())
	r.feed.Closed(a.TraceID)
}

// beginFaults starts the fault plan before the first request of the load.
func (r *run) beginFaults(ctx context.Context, state *lib.State) error {
	if r.faults.begun.Load() {
		return r.faults.startErr
	}
	return r.faults.begin(ctx, state, r.warn)
}

// phase names the fault phase of this moment; empty without a plan.
func (r *run) phase() string { return r.faults.phase() }

// take remembers where k6 wants its samples, and k6's options; any VU's state
// tells.
func (r *run) take(state *lib.State) {
	if r.samples.Load() == nil {
		r.options.Store(&state.Options)
		r.samples.CompareAndSwap(nil, &state.Samples)
	}
}

// countExcluded counts a request that is outside tracing: it has no attempt.
func (r *run) countExcluded(op *traced.Operation) {
	if op.Excluded() {
		r.excluded.Add(1)
	}
}

func (r *run) push(samples metrics.Samples) {
	if to := r.samples.Load(); to != nil {
		push(context.Background(), *to, samples)
	}
}
