package toxics

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// scriptFault is http_script: JavaScript functions decide per request. See the
// package comment for what they are given and may return.
type scriptFault struct {
	Script  string `json:"script"`  // the source
	Timeout int    `json:"timeout"` // milliseconds per call, 1 to 10000; default 1000

	program   *goja.Program
	responses bool // there is an onResponse
}

const (
	defaultTimeout = 1000
	maxTimeout     = 10_000
	// maxStack bounds the depth of a script's calls, and so its stack's memory.
	maxStack = 1000
)

// validate compiles the script and runs its top level once, as every connection
// will.
func (f *scriptFault) validate() error {
	if f.Timeout < 1 || f.Timeout > maxTimeout {
		return fmt.Errorf("timeout must be between 1 and %d milliseconds, got %d",
			maxTimeout, f.Timeout)
	}
	if f.Script == "" {
		return errors.New("script must be the source of a script, got nothing")
	}
	program, err := goja.Compile("script", f.Script, true)
	if err != nil {
		return fmt.Errorf("script must compile: %w", err)
	}
	f.program = program
	trial, err := f.start()
	if err != nil {
		return fmt.Errorf("script must run: %w", err)
	}
	if trial.onRequest == nil && trial.onResponse == nil {
		return errors.New("script must define onRequest or onResponse, got neither")
	}
	f.responses = trial.onResponse != nil
	return nil
}

func (f *scriptFault) mode() string { return "script" }

func (f *scriptFault) request(x *exchange, r *rule, key uint64) {
	run, err := x.link.scriptRun(r, f)
	if err != nil {
		r.counts.fail(err)
		return
	}
	if fault := run.call(r, key, run.onRequest, &headView{run, x.head, true}); fault != nil {
		fault.onRequest(x, r, key)
	}
	if f.responses {
		x.onResponse = append(x.onResponse, func(h *httpstream.Head) {
			fault := run.call(r, key, run.onResponse,
				&headView{run, h, false}, &headView{run, x.head, true})
			if fault != nil {
				fault.onResponse(x, r, key)
			}
		})
	}
}

// scriptRun is a script on one connection: its runtime and its state. Measured
// against a pool of runtimes, whose state has to be carried from one to the next,
// it is faster by far, and a runtime takes 3 KB.
type scriptRun struct {
	busy       chan struct{} // held during a call: the halves may call at once
	vm         *goja.Runtime
	state      *goja.Object
	onRequest  goja.Callable
	onResponse goja.Callable
	limit      time.Duration
	timer      *time.Timer
	fired      chan struct{}
	random     uint64
}

var errTimeout = errors.New("took longer than its timeout")

// start makes a runtime and runs the script's top level in it.
func (f *scriptFault) start() (*scriptRun, error) {
	run := &scriptRun{
		busy: make(chan struct{}, 1), vm: goja.New(), fired: make(chan struct{}, 1),
		limit: time.Duration(f.Timeout) * time.Millisecond,
	}
	run.vm.SetMaxCallStackSize(maxStack)
	run.vm.SetRandSource(func() float64 {
		run.random = mix(run.random)
		return unit(run.random)
	})
	run.state = run.vm.NewObject()
	err := run.limited(func() error {
		if _, err := run.vm.RunProgram(f.program); err != nil {
			return err //nolint:wrapcheck // the script's own words
		}
		run.onRequest, _ = goja.AssertFunction(run.vm.Get("onRequest"))
		run.onResponse, _ = goja.AssertFunction(run.vm.Get("onResponse"))
		return nil
	})
	return run, err
}

// limited runs JavaScript with the time limit.
func (s *scriptRun) limited(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil { // goja's own, of a getter for one
			err = fmt.Errorf("script: %v", p)
		}
	}()
	if s.timer == nil {
		s.timer = time.AfterFunc(s.limit, func() {
			s.vm.Interrupt(errTimeout)
			s.fired <- struct{}{}
		})
	} else {
		s.timer.Reset(s.limit)
	}
	defer func() {
		if !s.timer.Stop() {
			<-s.fired // the interrupt must not hit the next call
		}
		s.vm.ClearInterrupt()
	}()
	return work()
}

// call calls one of the script's functions. What goes wrong is counted, and the
// request passes.
func (s *scriptRun) call(
	r *rule, key uint64, function goja.Callable, views ...*headView,
) (fault *scriptResult) {
	if function == nil {
		return nil
	}
	s.busy <- struct{}{}
	defer func() { <-s.busy }()
	s.random = key
	err := s.limited(func() error {
		args := make([]goja.Value, 0, 3)
		for _, view := range views {
			args = append(args, s.vm.NewDynamicObject(view))
		}
		value, err := function(goja.Undefined(), append(args, s.state)...)
		if err != nil {
			return err //nolint:wrapcheck // the script's own words
		}
		if goja.IsUndefined(value) || goja.IsNull(value) {
			return nil
		}
		object, ok := value.(*goja.Object)
		if !ok {
			return fmt.Errorf("script must return nothing or an object, got %v", value)
		}
		fault, err = readResult(object)
		return err
	})
	if err != nil {
		r.counts.fail(err)
		return nil
	}
	return fault
}

// scriptRun returns a script's run on this connection.
func (l *link) scriptRun(r *rule, f *scriptFault) (*scriptRun, error) {
	if run, ok := l.scripts[r]; ok {
		return run, nil
	}
	run, err := f.start()
	if err != nil {
		return nil, err
	}
	rules := *l.hub.rules.Load()
	for old := range l.scripts {
		if !slices.Contains(rules, old) {
			delete(l.scripts, old) // requests that are under way keep theirs
		}
	}
	if l.scripts == nil {
		l.scripts = make(map[*rule]*scriptRun)
	}
	l.scripts[r] = run
	return run, nil
}

// headView shows a message head to a script. It is read when it is asked for.
type headView struct {
	run     *scriptRun
	head    *httpstream.Head
	request bool
}

var _ goja.DynamicObject = &headView{}

// Keys implements goja.DynamicObject.
func (v *headView) Keys() []string {
	if v.request {
		return []string{"method", "target", "path", "query", "traceId", "headers"}
	}
	return []string{"status", "headers"}
}

// Has implements goja.DynamicObject.
func (v *headView) Has(key string) bool { return slices.Contains(v.Keys(), key) }

// Set implements goja.DynamicObject; a view is not written to.
func (v *headView) Set(string, goja.Value) bool { return false }

// Delete implements goja.DynamicObject; a view is not written to.
func (v *headView) Delete(string) bool { return false }

// Get implements goja.DynamicObject.
func (v *headView) Get(key string) goja.Value {
	vm := v.run.vm
	switch {
	case key == "headers":
		return vm.NewDynamicObject((*headersView)(v))
	case !v.request && key == "status":
		return vm.ToValue(v.head.Status())
	case !v.request:
		return nil
	}
	switch key {
	case "method":
		return vm.ToValue(v.head.Method())
	case "target":
		return vm.ToValue(v.head.Target())
	case "path":
		path, _ := splitTarget(v.head.Target())
		return vm.ToValue(path)
	case "query":
		_, query := splitTarget(v.head.Target())
		return vm.ToValue(query)
	case "traceId":
		return vm.ToValue(traceKey(v.head))
	default:
		return nil
	}
}

// headersView shows the header lines of a head, by their names in any case;
// several lines of one name as one, joined with a comma.
type headersView headView

var _ goja.DynamicObject = &headersView{}

// Keys implements goja.DynamicObject.
func (v *headersView) Keys() []string {
	names := v.head.Names()
	slices.Sort(names)
	return slices.Compact(names)
}

// Has implements goja.DynamicObject.
func (v *headersView) Has(key string) bool {
	_, ok := v.head.Get(key)
	return ok
}

// Set implements goja.DynamicObject; a view is not written to.
func (v *headersView) Set(string, goja.Value) bool { return false }

// Delete implements goja.DynamicObject; a view is not written to.
func (v *headersView) Delete(string) bool { return false }

// Get implements goja.DynamicObject.
func (v *headersView) Get(key string) goja.Value {
	value, ok := v.head.Get(key)
	if !ok {
		return nil
	}
	if values := v.head.Values(key); len(values) > 1 {
		value = joinValues(values)
	}
	return v.run.vm.ToValue(value)
}
