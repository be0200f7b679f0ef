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
	state  *lib.State
	base   http.RoundTripper
	mu     sync.Mutex
	open   map[<-chan struct{}]*autoOperation
}

type autoOperation struct {
	op     *traced.Operation
	labels *labelSource
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
	core, err := t.client.traced()
	if err != nil {
		return nil, err
	}
	if err := t.client.instance.run.faults.begin(req.Context(), t.state, t.client.instance.run.warn); err != nil {
		return nil, err
	}
	key := req.Context().Done()
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, ok := t.open[key]; ok && key != nil {
		return found, nil
	}
	inst := t.client.instance
	labels := newLabelSource(&inst.run.labels, t.state, nil, nil, t.client.options.config.Service)
	labels.phase = inst.run.phase()
	auto := &autoOperation{labels: labels, op: core.Start(context.WithoutCancel(req.Context()),
		traced.OperationConfig{
			Method: req.Method, URL: req.URL.String(), Labels: labels.labels,
			DefaultUserAgent: t.state.Options.UserAgent.String,
		})}
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
