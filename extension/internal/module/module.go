package module

import (
	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
	"go.k6.io/k6/v2/js/modules"
)

// Name is what scripts import.
const Name = "k6/x/continuity"

// RootModule is the module of one k6 process; all VUs share its run.
type RootModule struct{ run *run }

var (
	_ modules.Module   = &RootModule{}
	_ modules.Instance = &instance{}
)

// New returns the module with a run that has not started yet.
func New() *RootModule { return &RootModule{run: newRun()} }

// instance is the module in one VU. Its fields belong to that VU's JavaScript thread.
type instance struct {
	vu      modules.VU
	run     *run
	spans   spanStack
	plain   instrumentation
	exports modules.Exports
}

// NewModuleInstance makes the module for one VU. The first VU that is not the
// throwaway one of the init context starts the run, so that a port in use or
// a directory that cannot be written stops k6 before any load.
func (m *RootModule) NewModuleInstance(vu modules.VU) modules.Instance {
	inst := &instance{vu: vu, run: m.run}
	if err := m.run.init(vu); err != nil {
		common.Throw(vu.Runtime(), err)
	}
	if isLoadVU(vu.Runtime()) {
		if _, err := m.run.start(); err != nil {
			common.Throw(vu.Runtime(), err)
		}
	}
	client, err := newClient(inst, defaultClientOptions())
	if err != nil {
		common.Throw(vu.Runtime(), err)
	}
	inst.exports = modules.Exports{Default: client.exports, Named: inst.named(client.exports)}
	return inst
}

// Exports implements modules.Instance.
func (i *instance) Exports() modules.Exports { return i.exports }

// named are the exports with a name: ours, and all of the default export, which
// k6/http has for `import { get }`, `import * as http` and `require`.
func (i *instance) named(http *sobek.Object) map[string]any {
	out := map[string]any{
		"Client":       i.newJSClient,
		"span":         i.span,
		"configure":    i.configure,
		"toxiproxy":    i.toxiproxy(),
		"instrument":   i.instrument,
		"uninstrument": i.uninstrument,
	}
	for _, name := range http.GetOwnPropertyNames() {
		out[name] = http.Get(name)
	}
	return out
}

// isLoadVU tells the VUs that run iterations from the one that k6 makes first,
// only to read the script's options.
func isLoadVU(rt *sobek.Runtime) bool {
	number := rt.Get("__VU")
	return number != nil && number.ToInteger() > 0
}

// initOnly raises an error outside of the init context.
func (i *instance) initOnly(what string) {
	if i.vu.State() != nil {
		common.Throw(i.vu.Runtime(), &initError{what})
	}
}

type initError struct{ what string }

func (e *initError) Error() string { return e.what + " " + errInitOnly.Error() }

// configure is configure(options).
func (i *instance) configure(value sobek.Value) {
	i.initOnly("configure()")
	if err := i.run.configure(i.vu.Runtime(), value); err != nil {
		common.Throw(i.vu.Runtime(), err)
	}
}

// newJSClient is new Client(options).
func (i *instance) newJSClient(call sobek.ConstructorCall) *sobek.Object {
	i.initOnly("new Client()")
	rt := i.vu.Runtime()
	opts, err := readClientOptions(rt, "Client", call.Argument(0), defaultClientOptions())
	if err != nil {
		common.Throw(rt, err)
	}
	c, err := newClient(i, opts)
	if err != nil {
		common.Throw(rt, err)
	}
	if err := c.exports.SetPrototype(call.This.Prototype()); err != nil {
		common.Throw(rt, err)
	}
	return c.exports
}
