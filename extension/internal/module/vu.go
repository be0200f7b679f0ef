package module

import (
	"net/http"

	"go.k6.io/k6/v2/js/modules"
	"go.k6.io/k6/v2/lib"
)

// tracedVU is the VU that k6's HTTP module is given. It is the real one, but
// for the transport in its state: every round trip of every feature of k6/http
// (redirects, authentication exchanges, batches) goes through it.
//
// Its state belongs to the JavaScript thread of the VU, as all of modules.VU.
type tracedVU struct {
	modules.VU
	// during is what State returns while one of our own calls is under way.
	during *lib.State
	// scratch is the state of blocking calls, one after the other: a lib.State is
	// large, and k6 keeps none once a blocking call has returned.
	scratch lib.State
	// auto makes the transport of requests that k6 starts by itself.
	auto func(state *lib.State) http.RoundTripper
}

// State returns a copy of the VU's state whose transport traces.
func (v *tracedVU) State() *lib.State {
	if v.during != nil {
		return v.during
	}
	state := v.VU.State()
	if state == nil {
		return nil
	}
	copied := *state
	copied.Transport = v.auto(state)
	return &copied
}

// enter makes State return the given transport for blocking requests, until
// leave is called with what enter returned.
func (v *tracedVU) enter(transport http.RoundTripper) (before *lib.State) {
	if v.during != nil { // a request within a hook within a request
		return v.enterAsync(transport)
	}
	v.scratch = *v.VU.State()
	v.scratch.Transport = transport
	v.during = &v.scratch
	return nil
}

// enterAsync is enter for work that goes on after leave: k6 takes the state
// before it leaves the JavaScript thread.
func (v *tracedVU) enterAsync(transport http.RoundTripper) (before *lib.State) {
	before = v.during
	copied := *v.VU.State()
	copied.Transport = transport
	v.during = &copied
	return before
}

func (v *tracedVU) leave(before *lib.State) { v.during = before }

// baseTransport is the VU's own transport, under any instrumentation of ours.
func baseTransport(state *lib.State) http.RoundTripper {
	if ours, ok := state.Transport.(*autoTransport); ok {
		return ours.base
	}
	return state.Transport
}
