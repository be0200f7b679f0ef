package module

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/metrics"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// faultRun is the run's toxiproxy: the proxies and the plan that the script
// asked for. The init code of every VU asks again, so asking is idempotent.
type faultRun struct {
	mu       sync.Mutex
	ctl      faults.Controller
	proxies  map[string]faults.Proxy
	configs  map[string]faults.ProxyConfig
	plan     *faults.Plan
	planText []byte
	ledger   faults.Ledger
	once     sync.Once
	begun    atomic.Bool
	startErr error
	runner   atomic.Pointer[faults.Runner]
}

var errOnePlan = errors.New(
	"toxiproxy.plan() was called again with another plan: a run has one plan")

// controller returns the embedded toxiproxy, or the remote one that was
// configured. The caller holds r.faults.mu.
func (r *run) controller(ctx context.Context) (faults.Controller, error) {
	f := &r.faults
	if f.ctl != nil {
		return f.ctl, nil
	}
	s, err := r.effective()
	if err != nil {
		return nil, err
	}
	if s.toxiproxy == "" {
		f.ctl, err = faults.NewEmbedded(faults.EmbeddedConfig{Warn: r.warn})
		return f.ctl, err
	}
	ctl, err := faults.NewRemote(ctx, faults.RemoteConfig{URL: s.toxiproxy, Warn: r.warn})
	if err != nil {
		return nil, fmt.Errorf("configure.toxiproxy (K6_CONTINUITY_TOXIPROXY): %w", err)
	}
	f.ctl = ctl
	return ctl, nil
}

// knownProxy returns a proxy that was made already, if there is one.
func (f *faultRun) knownProxy(config faults.ProxyConfig) (proxy faults.Proxy, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.configs[config.Name]
	if ok && !reflect.DeepEqual(known, config) {
		return proxy, false, fmt.Errorf("toxiproxy.proxy(%q) was called again with other options: "+
			"first %+v, now %+v", config.Name, known, config)
	}
	return f.proxies[config.Name], ok, nil
}

// makeProxy makes a proxy in the init context.
func (r *run) makeProxy(ctx context.Context, config faults.ProxyConfig) (faults.Proxy, error) {
	f := &r.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	ctl, err := r.controller(ctx)
	if err != nil {
		return faults.Proxy{}, err
	}
	proxy, err := ctl.AddProxy(ctx, config)
	if err != nil {
		return faults.Proxy{}, fmt.Errorf("toxiproxy.%w", err)
	}
	if f.proxies == nil {
		f.proxies = make(map[string]faults.Proxy)
		f.configs = make(map[string]faults.ProxyConfig)
	}
	f.proxies[config.Name], f.configs[config.Name] = proxy, config
	return proxy, nil
}

// effective is the settings under the environment, without fixing them yet.
func (r *run) effective() (settings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.settings
	return s, s.applyEnv(r.lookup)
}

// setPlan takes the text of the run's only plan.
func (r *run) setPlan(ctx context.Context, text []byte) error {
	f := &r.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan != nil {
		if !bytes.Equal(f.planText, text) {
			return errOnePlan
		}
		return nil
	}
	plan, err := faults.ParsePlan(text)
	if err != nil {
		return fmt.Errorf("toxiproxy.plan: %w", err)
	}
	ctl, err := r.controller(ctx)
	if err != nil {
		return err
	}
	if err := plan.Validate(slices.Sorted(maps.Keys(f.proxies)), ctl); err != nil {
		return fmt.Errorf("toxiproxy.plan: %w", err)
	}
	f.plan, f.planText = plan, text
	return nil
}

func (f *faultRun) planName() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan == nil {
		return ""
	}
	return f.plan.Name
}

// begin starts the plan's clock, once, before the first request of an
// iteration is sent: the toxics of the first phase are in place when it returns.
func (f *faultRun) begin(ctx context.Context, state *lib.State, warn func(string)) error {
	if !f.begun.Load() && inSetup(state) {
		return nil
	}
	f.once.Do(func() {
		defer f.begun.Store(true)
		f.mu.Lock()
		plan, ctl := f.plan, f.ctl
		f.mu.Unlock()
		if plan == nil {
			return
		}
		runner := faults.NewRunner(ctl, plan, faults.RunnerConfig{Warn: warn, Ledger: &f.ledger})
		if err := runner.Start(ctx); err != nil {
			f.startErr = fmt.Errorf("starting fault plan %q: %w", plan.Name, err)
			warn(f.startErr.Error())
		}
		f.runner.Store(runner)
	})
	return f.startErr
}

// inSetup reports whether the VU runs setup(), which comes before the plan.
func inSetup(state *lib.State) bool {
	group, _ := state.Tags.GetCurrentValues().Tags.Get(metrics.TagGroup.String())
	return group == "::setup"
}

func (f *faultRun) phase() string {
	if runner := f.runner.Load(); runner != nil {
		return runner.Phase()
	}
	return ""
}

// stop ends the plan and takes its toxics out.
func (f *faultRun) stop(warn func(string)) {
	runner := f.runner.Load()
	if runner == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := runner.Stop(ctx); err != nil {
		warn(err.Error())
	}
}

// report adds the phases and the toxics' own counters to the report.
func (f *faultRun) report(b *report.Builder, warn func(string)) {
	if runner := f.runner.Load(); runner != nil {
		var phases []report.Phase
		for _, p := range runner.Phases() {
			phases = append(phases, report.Phase{
				Name: p.Name, Start: p.Start, End: p.End, Toxics: p.Toxics,
			})
		}
		b.SetPhases(phases)
	}
	var counted []faults.Row
	f.ledger.Reading(func() { counted = f.ledger.Rows(f.counters(warn)) })
	rows := make([]report.Fault, 0, len(counted))
	for _, row := range counted {
		rows = append(rows, report.Fault{
			Phase: row.Phase, Proxy: row.Proxy, Toxic: row.Toxic, Type: row.Type, Mode: row.Mode,
			Seen: row.Seen, Selected: row.Selected, Injected: row.Injected,
			Marked: row.Marked, Unreached: row.Unreached, Unmarked: row.Unmarked,
			PassedThrough: row.PassedThrough, Unpaired: row.Unpaired,
		})
	}
	b.SetFaults(rows)
}

// counters reads the toxics' counters; nil when they cannot be read.
func (f *faultRun) counters(warn func(string)) []faults.Counters {
	f.mu.Lock()
	ctl := f.ctl
	f.mu.Unlock()
	if ctl == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	now, err := ctl.Counters(ctx)
	if err != nil {
		warn(err.Error())
	}
	return now
}

// close takes the proxies down at the end of the process.
func (f *faultRun) close(warn func(string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctl == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := f.ctl.Close(ctx); err != nil {
		warn(fmt.Sprintf("cleaning up toxiproxy: %v", err))
	}
	f.ctl, f.proxies, f.configs = nil, nil, nil
}

// addToxic puts in a toxic of the script's own. Its counters go into the report
// as those of a plan do.
func (r *run) addToxic(ctx context.Context, toxic faults.Toxic) error {
	ctl, err := r.faults.existing(toxic.Proxy)
	if err != nil {
		return err
	}
	ledger := &r.faults.ledger
	ledger.Reading(func() {
		var before []faults.Counters
		if before, err = ctl.Counters(ctx); err != nil {
			return
		}
		if err = ctl.AddToxic(ctx, toxic); err == nil {
			ledger.Script(toxic, before)
		}
	})
	return err
}

// existing returns the controller of a proxy that the script has made.
func (f *faultRun) existing(proxy string) (faults.Controller, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.proxies[proxy]; !ok {
		return nil, fmt.Errorf(
			"unknown proxy %q: make it with toxiproxy.proxy() in the init context", proxy)
	}
	return f.ctl, nil
}
