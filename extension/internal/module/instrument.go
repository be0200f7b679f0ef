package module

import (
	"net/http"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
)

// instrumentation makes the plain k6/http of one VU traced, by putting our
// transport into the VU's own state.
type instrumentation struct {
	client     *client // nil while it is off
	subscribed bool
}

// instrument is instrument(options). Called in the init context it takes
// effect with the first iteration, when the VU has its state.
func (i *instance) instrument(value sobek.Value) {
	rt := i.vu.Runtime()
	opts, err := readClientOptions(rt, "instrument", value, defaultClientOptions())
	if err != nil {
		common.Throw(rt, err)
	}
	c, err := newClient(i, opts)
	if err != nil {
		common.Throw(rt, err)
	}
	i.plain.client = c
	if !i.plain.subscribed {
		i.plain.subscribed = true
		onIteration(i.vu.Events(), i.applyInstrumentation, nil)
	}
	i.applyInstrumentation()
}

// uninstrument is uninstrument(): plain k6/http is plain again.
func (i *instance) uninstrument() {
	i.plain.client = nil
	i.applyInstrumentation()
}

func (i *instance) applyInstrumentation() {
	state := i.vu.State()
	if state == nil {
		return
	}
	base := i.baseTransport(state)
	if i.plain.client == nil {
		state.Transport = base
		return
	}
	i.run.take(state.Samples)
	state.Transport = http.RoundTripper(&autoTransport{client: i.plain.client, state: state, base: base})
}
