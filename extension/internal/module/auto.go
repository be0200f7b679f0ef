package module

import (
	"context"
	"net/http"
	"sync"

	"go.k6.io/k6/v2/lib"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// autoTransport traces requests that were not made through one of our
// functions. The round trips of one k6 request (redirects, authentication)
// share a context that k6 cancels when the request is over: that makes them
// one operation, and tells when it ends.
type autoTransport struct {
	client *client
	core   *traced.Client
	state  *lib.State
	base   http.RoundTripper
	// parent is the context whose span a request of this moment joins.
	parent func() context.Context

	mu   sync.Mutex
	open map[<-chan struct{}]*autoOperation
}

type autoOperation struct {
	op     *traced.Operation
	labels labelSource
}

// auto returns the transport of a VU's requests of this moment. It is the VU's
// own if the run could not be started, which has stopped the test already.
func (c *client) auto(state *lib.State, parent func() context.Context) http.RoundTripper {
	c.instance.run.take(state)
	base := baseTransport(state)
	core, err := c.traced()
	if err != nil {
		return base
	}
	return &autoTransport{client: c, core: core, state: state, base: base, parent: parent}
}

// RoundTrip sends one request as a part of its operation.
func (t *autoTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	auto, err := t.operation(req)
	if err != nil {
		return nil, err
	}
	return auto.op.Transport(t.base, 1, 0).RoundTrip(req)
}

func (t *autoTransport) operation(req *http.Request) (*autoOperation, error) {
	run := t.client.instance.run
	if err := run.beginFaults(req.Context(), t.state); err != nil {
		return nil, err
	}
	key := req.Context().Done()
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, ok := t.open[key]; ok && key != nil {
		return found, nil
	}
	//nolint:contextcheck // a span belongs to the VU, not to the request
	auto := t.start(t.parent(), req)
	if t.open == nil {
		t.open = make(map[<-chan struct{}]*autoOperation)
	}
	t.open[key] = auto
	context.AfterFunc(req.Context(), func() {
		t.mu.Lock()
		delete(t.open, key)
		t.mu.Unlock()
		auto.op.End(nil)
	})
	return auto, nil
}

func (t *autoTransport) start(ctx context.Context, req *http.Request) *autoOperation {
	run := t.client.instance.run
	auto := &autoOperation{}
	auto.labels.init(&run.labels, t.state, nil, nil, t.client.options.config.Service)
	auto.labels.phase = run.phase()
	auto.op = t.core.Start(ctx, traced.OperationConfig{
		Method: req.Method, URL: req.URL.String(), Labels: auto.labels.labels,
		DefaultUserAgent: t.state.Options.UserAgent.String,
	})
	run.countExcluded(auto.op)
	return auto
}
