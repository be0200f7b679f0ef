package toxics

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/dop251/goja"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// scriptFault is http_script: JavaScript functions decide per request. See the
// package comment for what they are given and may return.
type scriptFault struct {
	Script  string `json:"script"`  // the source
	Timeout int    `json:"timeout"` // milliseconds per call, 1 to 10000; default 1000

	programs  []*goja.Program // its limits, if it needs any, and the script
	responses bool            // there is an onResponse
	strays    atomic.Int64    // calls that nothing could end, and that still run
}

const (
	defaultTimeout = 1000
	maxTimeout     = 10_000
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
	parsed, err := parseScript(f.Script)
	if err != nil {
		return err
	}
	program, err := goja.CompileAST(parsed, true)
	if err != nil {
		return fmt.Errorf("script must compile: %w", err)
	}
	f.programs = []*goja.Program{program}
	if source := scriptLimits(f.Script); source != "" {
		f.programs = []*goja.Program{goja.MustCompile("limits", source, true), program}
	}
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
	request := x.head // as the client sent it, whatever becomes of the head
	if fault := run.call(r, key, run.onRequest, &headView{run, &request, true}); fault != nil {
		fault.onRequest(x, r, key)
	}
	if f.responses {
		x.onResponse = append(x.onResponse, func(h *httpstream.Head) {
			response := *h
			fault := run.call(r, key, run.onResponse,
				&headView{run, &response, false}, &headView{run, &request, true})
			if fault != nil {
				fault.onResponse(x, r, key)
			}
		})
	}
}
