package module

import (
	"context"
	"net/http"

	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
	"go.k6.io/k6/v2/lib"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// client is one traced HTTP client of one VU: k6's HTTP module with our
// transport under it and our retry policy around it.
type client struct {
	instance *instance
	vu       *tracedVU
	options  clientOptions
	core     *traced.Client // made by the first request: the provider starts after init
	native   natives
	exports  *sobek.Object // k6's export object with the request functions replaced
}

// newClient makes a client with a k6 HTTP module of its own.
func newClient(inst *instance, opts clientOptions) (*client, error) {
	c := &client{instance: inst, options: opts}
	c.vu = &tracedVU{VU: inst.vu, auto: c.autoTransport}
	rt := inst.vu.Runtime()
	exports, ok := k6http.New().NewModuleInstance(c.vu).Exports().Default.(*sobek.Object)
	if !ok {
		return nil, errUnknownK6
	}
	c.exports = exports
	if err := c.native.load(exports); err != nil {
		return nil, err
	}
	for name, fn := range map[string]func(sobek.FunctionCall) sobek.Value{
		"get":          c.plainVerb(http.MethodGet, c.native.get),
		"head":         c.plainVerb(http.MethodHead, c.native.head),
		"post":         c.bodyVerb(http.MethodPost, c.native.post),
		"put":          c.bodyVerb(http.MethodPut, c.native.put),
		"patch":        c.bodyVerb(http.MethodPatch, c.native.patch),
		"del":          c.bodyVerb(http.MethodDelete, c.native.del),
		"options":      c.bodyVerb(http.MethodOptions, c.native.options),
		"request":      c.request,
		"asyncRequest": c.asyncRequest,
		"batch":        c.batch,
	} {
		if err := exports.Set(name, rt.ToValue(fn)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// optionsFor returns the options of one request and the core that has them.
func (c *client) optionsFor(params *sobek.Object) (*clientOptions, *traced.Client, error) {
	core, err := c.traced()
	if err != nil {
		return nil, nil, err
	}
	opts, err := c.options.forRequest(c.instance.vu.Runtime(), params)
	if err != nil || opts == &c.options {
		return opts, core, err
	}
	core, err = core.With(opts.config)
	return opts, core, err
}

// traced returns the client's core; the run must have started.
func (c *client) traced() (*traced.Client, error) {
	if c.core != nil {
		return c.core, nil
	}
	provider, err := c.instance.run.start()
	if err != nil {
		return nil, err
	}
	core, err := traced.NewClient(provider, c.options.config, c.instance.run)
	if err != nil {
		return nil, err
	}
	c.core = core
	return core, nil
}

// autoTransport traces the requests that k6 makes without one of our functions.
func (c *client) autoTransport(state *lib.State) http.RoundTripper {
	parent := c.instance.active(state, c.options.scope)
	return c.auto(state, func() context.Context { return parent })
}
