package module

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
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
	once     sync.Once
	begun    atomic.Bool
	startErr error
	runner   atomic.Pointer[faults.Runner]
}

// controller returns the embedded toxiproxy, or the remote one that was
// configured. The caller holds f.mu.
func (f *faultRun) controller(remote string, warn func(string)) (faults.Controller, error) {
	if f.ctl != nil {
		return f.ctl, nil
	}
	var err error
	if remote != "" {
		return nil, fmt.Errorf("configure.toxiproxy: driving a remote toxiproxy is not supported yet, got %q", remote)
	}
	f.ctl, err = faults.NewEmbedded(faults.EmbeddedConfig{Warn: warn})
	return f.ctl, err
}

// proxy returns the proxy of that name, and makes it in the init context.
func (r *run) proxy(ctx context.Context, config faults.ProxyConfig, initContext bool) (faults.Proxy, error) {
	f := &r.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.configs[config.Name]; ok {
		if !reflect.DeepEqual(known, config) {
			return faults.Proxy{}, fmt.Errorf("toxiproxy.proxy(%q) was called again with other options: "+
				"first %+v, now %+v", config.Name, known, config)
		}
		return f.proxies[config.Name], nil
	}
	if !initContext {
		return faults.Proxy{}, fmt.Errorf("toxiproxy.proxy(%q) %w", config.Name, errInitOnly)
	}
	settings, err := r.effective()
	if err != nil {
		return faults.Proxy{}, err
	}
	ctl, err := f.controller(settings.toxiproxy, r.warn)
	if err != nil {
		return faults.Proxy{}, err
	}
	proxy, err := ctl.AddProxy(ctx, config)
	if err != nil {
		return faults.Proxy{}, err
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
func (r *run) setPlan(text []byte) error {
	f := &r.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan != nil {
		if !bytes.Equal(f.planText, text) {
			return fmt.Errorf("toxiproxy.plan() was called again with another plan: a run has one plan")
		}
		return nil
	}
	plan, err := faults.ParsePlan(text)
	if err != nil {
		return fmt.Errorf("toxiproxy.plan: %w", err)
	}
	names := make([]string, 0, len(f.proxies))
	for name := range f.proxies {
		names = append(names, name)
	}
	if err := plan.Validate(names); err != nil {
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
	if f.begun.Load() || inSetup(state) {
		return nil
	}
	f.once.Do(func() {
		defer f.begun.Store(true)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.plan == nil {
			return
		}
		runner := faults.NewRunner(f.ctl, f.plan, faults.RunnerConfig{Warn: warn})
		f.startErr = runner.Start(ctx)
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
		warn(fmt.Sprintf("stopping the fault plan: %v", err))
	}
}

// report adds the phases and the toxics' own counters to the report.
func (f *faultRun) report(b *report.Builder) {
	runner := f.runner.Load()
	if runner == nil {
		return
	}
	var phases []report.Phase
	for _, p := range runner.Phases() {
		phases = append(phases, report.Phase{Name: p.Name, Start: p.Start, End: p.End, Toxics: p.Toxics})
	}
	b.SetPhases(phases)
	var rows []report.Fault
	for _, row := range runner.Rows() {
		rows = append(rows, report.Fault{
			Phase: row.Phase, Proxy: row.Proxy, Toxic: row.Toxic, Type: row.Type, Mode: row.Mode,
			Seen: row.Seen, Selected: row.Selected, Injected: row.Injected,
			PassedThrough: row.PassedThrough, Unpaired: row.Unpaired,
		})
	}
	b.SetFaults(rows)
}

// close takes the proxies down at the end of the process.
func (f *faultRun) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctl == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	_ = f.ctl.Close(ctx) // the process ends; there is nobody left to tell
}

func (r *run) addToxic(ctx context.Context, toxic faults.Toxic) error {
	ctl, err := r.faults.existing(toxic.Proxy)
	if err != nil {
		return err
	}
	return ctl.AddToxic(ctx, toxic)
}

func (r *run) updateToxic(ctx context.Context, toxic faults.Toxic) error {
	ctl, err := r.faults.existing(toxic.Proxy)
	if err != nil {
		return err
	}
	return ctl.UpdateToxic(ctx, toxic)
}

func (r *run) removeToxic(ctx context.Context, toxic faults.Toxic) error {
	ctl, err := r.faults.existing(toxic.Proxy)
	if err != nil {
		return err
	}
	return ctl.RemoveToxic(ctx, toxic.Proxy, toxic.Name)
}

func (r *run) enableProxy(ctx context.Context, name string, on bool) error {
	ctl, err := r.faults.existing(name)
	if err != nil {
		return err
	}
	return ctl.SetEnabled(ctx, name, on)
}

func (f *faultRun) existing(proxy string) (faults.Controller, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.proxies[proxy]; !ok {
		return nil, fmt.Errorf("unknown proxy %q: make it with toxiproxy.proxy() in the init context", proxy)
	}
	return f.ctl, nil
}
