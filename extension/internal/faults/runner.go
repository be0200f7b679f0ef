package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// RunnerConfig is what a runner needs from its surroundings.
type RunnerConfig struct {
	Warn   func(string) // told of errors between phases and of toxics that met no request
	Ledger *Ledger      // where toxics' counters go; nil: nowhere
}

// PhaseRun is a phase as it really ran. End is zero while it runs.
type PhaseRun struct {
	Name       string
	Start, End time.Time
	Toxics     []string
}

// Runner takes a plan through its phases, by the time since Start. The toxics of
// a phase come in right after its name is the current one, and go out right
// before the next one's is. A last phase without toxics lasts until Stop; after
// one with toxics no phase is current.
type Runner struct {
	ctl    Controller
	lease  Lease
	plan   *Plan
	warn   func(string)
	ledger *Ledger
	name   atomic.Pointer[string]
	cancel context.CancelFunc
	done   chan struct{}

	// Of the runner's goroutine, after Start.
	started time.Time
	driver  bool
	index   int     // of the running phase
	in      []Toxic // that this runner put in

	mu     sync.Mutex
	phases []PhaseRun
}

// NewRunner prepares a plan. It must be valid for the controller's proxies.
func NewRunner(ctl Controller, plan *Plan, config RunnerConfig) *Runner {
	if config.Warn == nil {
		config.Warn = func(string) {}
	}
	if config.Ledger == nil {
		config.Ledger = &Ledger{}
	}
	return &Runner{
		ctl: ctl, lease: ctl.Lease(plan.Fingerprint()), plan: plan, warn: config.Warn,
		ledger: config.Ledger, done: make(chan struct{}),
	}
}

// Start begins the plan, or joins one that another load generator drives, and
// returns when the toxics of the phase are in; the other phases follow on their
// own. An error leaves no toxic behind.
func (r *Runner) Start(ctx context.Context) error {
	term, err := r.lease.Acquire(ctx)
	if err != nil {
		return err
	}
	r.driver, r.started = term.Driver, time.Now().Add(-term.Elapsed)
	r.index = r.plan.at(term.Elapsed)
	if err := r.enter(ctx); err != nil {
		return errors.Join(err, r.end(ctx))
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	go r.run(ctx)
	return nil
}

// Phase is the name of the running phase; empty outside of the plan.
func (r *Runner) Phase() string {
	if name := r.name.Load(); name != nil {
		return *name
	}
	return ""
}

// run is the plan's clock: phases change when their time comes, and the lease is
// renewed in between.
func (r *Runner) run(ctx context.Context) {
	defer close(r.done)
	var renewals <-chan time.Time
	if every := r.lease.Every(); every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		renewals = ticker.C
	}
	for {
		select {
		case <-r.boundary():
		case <-renewals:
			r.complainUnlessStopped(ctx, r.renew(ctx))
		case <-ctx.Done():
			r.complain(r.end(context.WithoutCancel(ctx)))
			return
		}
		r.complainUnlessStopped(ctx, r.move(ctx))
	}
}

// boundary fires when the running phase has come to its end, which may have passed; nil
// for one without an end and behind the plan.
func (r *Runner) boundary() <-chan time.Time {
	if r.index >= len(r.plan.Phases) || r.plan.endless(r.index) {
		return nil
	}
	return time.After(time.Until(r.started.Add(r.plan.end(r.index))))
}

func (r *Runner) end(ctx context.Context) error {
	return errors.Join(r.leave(ctx), r.lease.Release(ctx))
}

func (r *Runner) complain(err error) {
	if err != nil {
		r.warn(fmt.Sprintf("fault plan: %v", err))
	}
}

// complainUnlessStopped leaves out what failed because the plan was stopped in the
// middle of it: the end of the plan cleans up and tells what cannot be.
func (r *Runner) complainUnlessStopped(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.complain(err)
	}
}

// renew keeps the lease, or takes it over, or learns the time from the driver.
func (r *Runner) renew(ctx context.Context) error {
	term, err := r.lease.Renew(ctx, time.Since(r.started))
	if err != nil {
		return err
	}
	if began := time.Now().Add(-term.Elapsed); !term.Driver && began.Before(r.started) {
		r.started = began
	}
	switch was := r.driver; {
	case term.Driver && !was:
		r.driver = true
		if term.Expired { // else its load had ended before ours
			r.warn(fmt.Sprintf("fault plan: took over from a load generator that has gone, "+
				"in phase %q", r.Phase()))
		}
		return r.drive(ctx)
	case !term.Driver && was:
		r.driver, r.in = false, nil // they are the new driver's now
		r.warn(fmt.Sprintf("fault plan: another load generator took over in phase %q", r.Phase()))
	}
	return nil
}

// move ends the running phase and starts the next if its time has come.
func (r *Runner) move(ctx context.Context) error {
	index := r.plan.at(time.Since(r.started))
	if index <= r.index {
		return nil
	}
	err := r.leave(ctx)
	r.tellLeftOut(r.index+1, index)
	r.index = index
	return errors.Join(err, r.enter(ctx))
}

// tellLeftOut tells of phases that could not begin in time. A follower only learns the time.
func (r *Runner) tellLeftOut(from, to int) {
	for i := from; r.driver && i < to; i++ {
		r.warn(fmt.Sprintf("fault plan: phase %q was left out: its time was over before it could "+
			"begin", r.plan.Phases[i].Name))
	}
}

// enter makes the phase of the current index the running one.
func (r *Runner) enter(ctx context.Context) error {
	if r.index >= len(r.plan.Phases) {
		r.name.Store(nil)
		return nil
	}
	phase := &r.plan.Phases[r.index]
	run := PhaseRun{Name: phase.Name, Start: time.Now()}
	for i := range phase.Toxics {
		run.Toxics = append(run.Toxics, phase.Toxics[i].Name)
	}
	r.mu.Lock()
	r.phases = append(r.phases, run)
	r.mu.Unlock()
	r.name.Store(&phase.Name)
	return r.drive(ctx)
}

// drive puts the toxics of the running phase in, if that is up to this runner.
func (r *Runner) drive(ctx context.Context) error {
	if r.index >= len(r.plan.Phases) {
		return nil
	}
	phase := &r.plan.Phases[r.index]
	var mine []Toxic
	if r.driver {
		mine = phase.Toxics
	}
	var err error
	r.ledger.Reading(func() {
		var now []Counters
		now, err = r.ctl.Counters(ctx)
		r.ledger.Enter(phase.Name, mine, now)
	})
	if !r.driver {
		return err
	}
	for i := range phase.Toxics {
		err = errors.Join(err, r.put(ctx, phase.Toxics[i].in(phase.Name)))
	}
	if err != nil {
		return fmt.Errorf("phase %q: %w", phase.Name, err)
	}
	return nil
}

// put adds a toxic. One of its name that is there already was left behind by a
// run that was killed: there is only one driver.
func (r *Runner) put(ctx context.Context, t Toxic) error {
	err := r.ctl.AddToxic(ctx, t)
	if errors.Is(err, ErrExists) {
		r.warn(fmt.Sprintf("fault plan: replaced toxic %q that was on proxy %q already",
			t.Name, t.Proxy))
		if err = r.ctl.RemoveToxic(ctx, t.Proxy, t.Name); err == nil || isNotFound(err) {
			err = r.ctl.AddToxic(ctx, t)
		}
	}
	if err == nil {
		r.in = append(r.in, t)
	}
	return err
}

// leave takes the toxics of the running phase out and tells of those that did
// nothing.
func (r *Runner) leave(ctx context.Context) (err error) {
	for i := range r.in {
		err = errors.Join(err, r.ctl.RemoveToxic(ctx, r.in[i].Proxy, r.in[i].Name))
	}
	r.in = nil
	unmet, countErr := r.unmet(ctx)
	for _, row := range unmet {
		r.warn(fmt.Sprintf("fault plan: in phase %q toxic %q of proxy %q met no request",
			row.Phase, row.Toxic, row.Proxy))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.phases) > 0 && r.phases[len(r.phases)-1].End.IsZero() {
		r.phases[len(r.phases)-1].End = time.Now()
	}
	return errors.Join(err, countErr)
}

// unmet lists the toxics of the running phase that this runner drove for nothing.
func (r *Runner) unmet(ctx context.Context) (rows []Row, err error) {
	r.ledger.Reading(func() {
		var now []Counters
		if now, err = r.ctl.Counters(ctx); err == nil && r.driver {
			rows = r.ledger.Unmet(now)
		}
	})
	return rows, err
}

// Phases lists the phases so far, the running one last.
func (r *Runner) Phases() []PhaseRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.phases)
}

// Stop ends the plan early, or returns at once when it was not started. The phase
// that runs stays the current one, so that requests which are still under way
// belong to it.
func (r *Runner) Stop(ctx context.Context) error {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping the fault plan: %w", ctx.Err())
	}
}
