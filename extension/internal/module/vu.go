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
	// auto makes the transport of requests that k6 starts by itself, such as
	// Response.submitForm.
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
	return withTransport(state, v.auto(state))
}

// enter makes State return the given transport while fn runs. k6 captures the
// state before it leaves the JavaScript thread, so fn may start asynchronous work.
func (v *tracedVU) enter(transport http.RoundTripper, fn func()) {
	before := v.during
	v.during = withTransport(v.VU.State(), transport)
	defer func() { v.during = before }()
	fn()
}

func withTransport(state *lib.State, transport http.RoundTripper) *lib.State {
	copied := *state
	copied.Transport = transport
	return &copied
}
