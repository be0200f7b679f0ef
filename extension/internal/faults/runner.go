package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// RunnerConfig is what a runner needs from its surroundings.
type RunnerConfig struct {
	Warn func(string) // told of errors between phases and of phases that met no request
}

// PhaseRun is a phase as it really ran. End is zero while it runs.
type PhaseRun struct {
	Name       string
	Start, End time.Time
	Toxics     []string
}

// Row is what one HTTP toxic counted during one phase.
type Row struct {
	Phase, Proxy, Toxic, Type, Mode                   string
	Seen, Selected, Injected, PassedThrough, Unpaired uint64
}

// Runner takes a plan through its phases, by the time since Start.
type Runner struct {
	ctl    Controller
	plan   *Plan
	warn   func(string)
	name   atomic.Pointer[string]
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	phases []PhaseRun
	rows   []Row
	before map[[2]string]Counters // counters at the start of the running phase
}

// NewRunner prepares a plan. It must be valid for the controller's proxies.
func NewRunner(ctl Controller, plan *Plan, config RunnerConfig) *Runner {
	if config.Warn == nil {
		config.Warn = func(string) {}
	}
	return &Runner{ctl: ctl, plan: plan, warn: config.Warn, done: make(chan struct{})}
}

// Start puts in the toxics of the first phase and returns; the other phases
// follow on their own. An error leaves no toxic behind.
func (r *Runner) Start(ctx context.Context) error {
	first := &r.plan.Phases[0]
	if err := r.enter(ctx, first); err != nil {
		return errors.Join(err, r.leave(ctx, first))
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	go r.run(ctx)
	return nil
}

// Phase is the name of the running phase: empty before the start, the last
// phase's after the end.
func (r *Runner) Phase() string {
	if name := r.name.Load(); name != nil {
		return *name
	}
	return ""
}

func (r *Runner) run(ctx context.Context) {
	defer close(r.done)
	next := time.Now()
	for i := range r.plan.Phases {
		phase := &r.plan.Phases[i]
		if i > 0 {
			r.complain(r.enter(ctx, phase))
		}
		next = next.Add(phase.Duration)
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		r.complain(r.leave(context.WithoutCancel(ctx), phase))
		if ctx.Err() != nil {
			return
		}
	}
}

func (r *Runner) complain(err error) {
	if err != nil {
		r.warn(fmt.Sprintf("fault plan: %v", err))
	}
}

// enter puts in the phase's toxics and makes it the running one.
func (r *Runner) enter(ctx context.Context, phase *PlanPhase) error {
	before, err := r.counters(ctx)
	run := PhaseRun{Name: phase.Name, Start: time.Now()}
	for i := range phase.Toxics {
		t := &phase.Toxics[i]
		err = errors.Join(err, r.ctl.AddToxic(ctx, *t))
		run.Toxics = append(run.Toxics, t.Name)
	}
	r.mu.Lock()
	r.before = before
	r.phases = append(r.phases, run)
	r.mu.Unlock()
	r.name.Store(&phase.Name)
	if err != nil {
		return fmt.Errorf("phase %q: %w", phase.Name, err)
	}
	return nil
}

// leave takes the phase's toxics out and settles their counts.
func (r *Runner) leave(ctx context.Context, phase *PlanPhase) (err error) {
	for i := range phase.Toxics {
		err = errors.Join(err, r.ctl.RemoveToxic(ctx, phase.Toxics[i].Proxy, phase.Toxics[i].Name))
	}
	after, countErr := r.counters(ctx)
	err = errors.Join(err, countErr)
	r.mu.Lock()
	defer r.mu.Unlock()
	run := &r.phases[len(r.phases)-1]
	run.End = time.Now()
	for _, row := range difference(run.Name, phase, r.before, after) {
		if row.Seen == 0 {
			r.warn(fmt.Sprintf("fault plan: in phase %q toxic %q of proxy %q met no request",
				row.Phase, row.Toxic, row.Proxy))
		}
		r.rows = append(r.rows, row)
	}
	r.before = nil
	if err != nil {
		return fmt.Errorf("phase %q: %w", phase.Name, err)
	}
	return nil
}

func (r *Runner) counters(ctx context.Context) (map[[2]string]Counters, error) {
	list, err := r.ctl.Counters(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the toxics' counters: %w", err)
	}
	out := make(map[[2]string]Counters, len(list))
	for _, c := range list {
		out[[2]string{c.Proxy, c.Name}] = c
	}
	return out, nil
}

// difference is what the toxics of a phase counted in it.
func difference(name string, phase *PlanPhase, before, after map[[2]string]Counters) []Row {
	var out []Row
	for _, t := range phase.Toxics {
		key := [2]string{t.Proxy, t.Name}
		now, ok := after[key]
		if !ok {
			continue // toxiproxy's own toxics do not count
		}
		was := before[key]
		out = append(out, Row{
			Phase:         name,
			Proxy:         t.Proxy,
			Toxic:         t.Name,
			Type:          now.Type,
			Mode:          now.Mode,
			Seen:          now.Seen - was.Seen,
			Selected:      now.Selected - was.Selected,
			Injected:      now.Injected - was.Injected,
			PassedThrough: now.PassedThrough,
			Unpaired:      now.Unpaired,
		})
	}
	slices.SortFunc(out, func(a, b Row) int {
		return cmp.Or(strings.Compare(a.Proxy, b.Proxy), strings.Compare(a.Toxic, b.Toxic))
	})
	return out
}

// Phases lists the phases so far, the running one last.
func (r *Runner) Phases() []PhaseRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.phases)
}

// Rows lists what the toxics counted in the phases that have ended.
func (r *Runner) Rows() []Row {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rows)
}

// Stop ends the plan early, or returns at once when it has ended.
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
