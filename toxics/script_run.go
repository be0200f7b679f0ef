package toxics

import (
	"errors"
	"fmt"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

const (
	// maxStack bounds the depth of a script's calls, and so its stack's memory.
	maxStack = 1000
	// maxStrays bounds the calls of one script that run on although their time is
	// over; the script is not called while there are so many.
	maxStrays = 4
	// scriptGrace is how long an interrupted call may take to end.
	scriptGrace = 500 * time.Millisecond
	// heapCheck is how often the memory of a call that takes so long is looked at.
	heapCheck = 10 * time.Millisecond
	// maxHeapGrowth is how many bytes more the process may have in use than at the
	// first such look. Nothing else in it grows so much within the time of a call.
	maxHeapGrowth = 256 << 20
)

var (
	errTimeout = errors.New("took longer than its timeout")
	errMemory  = fmt.Errorf("took more than %d MiB of memory", maxHeapGrowth>>20)
	errGivenUp = errors.New("was given up by another call of its connection")
	errStrays  = fmt.Errorf("is not called while %d of its calls, which could not be interrupted, "+
		"still run", maxStrays)
)

// scriptRun is a script on one connection: its runtime and its state. Measured
// against a pool of runtimes, whose state has to be carried from one to the next,
// it is faster by far, and a runtime takes few KB.
type scriptRun struct {
	busy       chan struct{} // held during a call: the halves may call at once
	strays     *atomic.Int64 // of the script
	vm         *goja.Runtime
	state      *goja.Object
	onRequest  goja.Callable
	onResponse goja.Callable
	limit      time.Duration
	growth     uint64 // of the heap, in bytes
	timer      alarm
	random     uint64
	retired    atomic.Bool // a call runs on; the runtime is its alone
}

// scriptCall is one call of JavaScript. Whoever moves it from running decides.
type scriptCall struct {
	done  chan outcome
	state atomic.Uint32 // running, ended or givenUp
}

const (
	running = iota
	ended
	givenUp
)

// start makes a runtime and runs the script's top level in it.
func (f *scriptFault) start() (*scriptRun, error) {
	run := &scriptRun{
		busy: make(chan struct{}, 1), vm: goja.New(), strays: &f.strays,
		limit: time.Duration(f.Timeout) * time.Millisecond, growth: maxHeapGrowth,
	}
	run.vm.SetMaxCallStackSize(maxStack)
	run.vm.SetParserOptions(parser.WithDisableSourceMaps) // of eval: they are files
	run.vm.SetRandSource(func() float64 {
		run.random = mix(run.random)
		return unit(run.random)
	})
	run.state = run.vm.NewObject()
	out := run.limited(func() outcome {
		for _, program := range f.programs {
			if _, err := run.vm.RunProgram(program); err != nil {
				return outcome{err: err}
			}
		}
		run.onRequest, _ = goja.AssertFunction(run.vm.Get("onRequest"))
		run.onResponse, _ = goja.AssertFunction(run.vm.Get("onResponse"))
		return outcome{}
	})
	return run, out.err
}

// outcome is what a call came to.
type outcome struct {
	result *scriptResult
	err    error
}

// limited runs JavaScript with the limits of time and memory. It returns in time
// whatever the script does: JavaScript can be interrupted, and what cannot be, as a
// regular expression or the sorting of an array, is left to itself with its
// runtime.
func (s *scriptRun) limited(work func() outcome) outcome {
	if s.strays.Load() >= maxStrays {
		return outcome{err: errStrays}
	}
	call := &scriptCall{done: make(chan outcome, 1)}
	go func() {
		var out outcome
		defer func() {
			if p := recover(); p != nil { // goja's own, of a getter for one
				out = outcome{err: fmt.Errorf("script: %v", p)}
			}
			call.done <- out
			if !call.state.CompareAndSwap(running, ended) {
				s.strays.Add(-1)
			}
		}()
		out = work()
	}()
	return s.await(call)
}

// await waits for a call, and interrupts it when it goes beyond a limit.
func (s *scriptRun) await(call *scriptCall) outcome {
	began := time.Now()
	var heap uint64
	for wait := min(heapCheck, s.limit); ; wait = min(heapCheck, s.limit-time.Since(began)) {
		select {
		case out := <-call.done:
			s.timer.Stop()
			return out
		case <-s.timer.set(wait):
		}
		now := liveHeap()
		if heap == 0 {
			heap = now
		}
		switch {
		case time.Since(began) >= s.limit:
			return s.stop(call, errTimeout)
		case now > heap+s.growth:
			return s.stop(call, errMemory)
		}
	}
}

// stop interrupts a call, or gives it up.
func (s *scriptRun) stop(call *scriptCall, cause error) outcome {
	s.vm.Interrupt(cause)
	select {
	case out := <-call.done:
		s.timer.Stop()
		s.vm.ClearInterrupt()
		return out
	case <-s.timer.set(scriptGrace):
	}
	s.retired.Store(true)
	if call.state.CompareAndSwap(running, givenUp) {
		s.strays.Add(1)
	}
	return outcome{err: fmt.Errorf("%w and could not be interrupted, such as in a regular "+
		"expression; it starts anew", cause)}
}

// liveHeap is how many bytes of the process were in use at its last collection.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// call calls one of the script's functions. What goes wrong is counted, and the
// request passes.
func (s *scriptRun) call(
	r *rule, key uint64, function goja.Callable, views ...*headView,
) *scriptResult {
	if function == nil {
		return nil
	}
	s.busy <- struct{}{}
	defer func() { <-s.busy }()
	if s.retired.Load() {
		r.counts.fail(errGivenUp) // the other half's call was the one
		return nil
	}
	s.random = key
	out := s.limited(func() outcome {
		args := make([]goja.Value, 0, 3)
		for _, view := range views {
			args = append(args, s.vm.NewDynamicObject(view))
		}
		value, err := function(goja.Undefined(), append(args, s.state)...)
		if err != nil || goja.IsUndefined(value) || goja.IsNull(value) {
			return outcome{err: err}
		}
		object, ok := value.(*goja.Object)
		if !ok {
			err = fmt.Errorf("script must return nothing or an object, got %v", value)
			return outcome{err: err}
		}
		result, err := readResult(object)
		return outcome{result, err}
	})
	if out.err != nil {
		r.counts.fail(out.err)
		return nil
	}
	return out.result
}

// scriptRun returns a script's run on this connection; a new one when the last
// was retired.
func (l *link) scriptRun(r *rule, f *scriptFault) (*scriptRun, error) {
	if run, ok := l.scripts[r]; ok && !run.retired.Load() {
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
