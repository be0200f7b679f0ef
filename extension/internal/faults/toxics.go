package faults

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// Supports implements Controller.
func (c *control) Supports(kind string) error {
	if c.httpToxic || !toxics.IsHTTP(kind) {
		return nil
	}
	return fmt.Errorf("type %s needs a toxiproxy with HTTP toxics (bin/toxiproxy), and %s has "+
		"only toxiproxy's own: %s", kind, c.where,
		strings.Join(slices.Sorted(maps.Keys(ownAttributes())), ", "))
}

// known reports whether this controller has the proxy.
func (c *control) known(proxy string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.proxies[proxy]; !ok {
		return fmt.Errorf("proxy %q does not exist: %w", proxy, ErrNotFound)
	}
	return nil
}

// prepare checks a toxic against itself, the server and the proxies.
func (c *control) prepare(t *Toxic) error {
	if err := t.check(); err != nil {
		return err
	}
	if err := c.Supports(t.Type); err != nil {
		return err
	}
	return c.known(t.Proxy)
}

// wire is a toxic as the API takes it.
func (t *Toxic) wire() map[string]any {
	out := map[string]any{"name": t.Name, "type": t.Type, "attributes": t.Attributes}
	if t.Attributes == nil {
		out["attributes"] = map[string]any{}
	}
	if toxics.IsHTTP(t.Type) {
		return out
	}
	out["stream"], out["toxicity"] = t.Stream, 1.0
	if t.Toxicity != nil {
		out["toxicity"] = *t.Toxicity
	}
	return out
}

// AddToxic implements Controller.
func (c *control) AddToxic(ctx context.Context, t Toxic) error {
	err := c.prepare(&t)
	if err == nil {
		err = c.api.call(ctx, http.MethodPost, proxyPath(t.Proxy, "toxics"), t.wire(), nil)
	}
	return t.wrap(err)
}

func (t *Toxic) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("toxic %q of proxy %q: %w", t.Name, t.Proxy, err)
	}
	return nil
}

// UpdateToxic implements Controller. Toxiproxy decodes an update into the toxic
// that its pipes are reading, which is a data race. Its own toxics are taken out
// and put in again instead; ours change in one step.
func (c *control) UpdateToxic(ctx context.Context, t Toxic) error {
	return t.wrap(c.updateToxic(ctx, &t))
}

func (c *control) updateToxic(ctx context.Context, t *Toxic) error {
	if t.Name == "" {
		t.Name = t.Type
	}
	if err := c.known(t.Proxy); err != nil {
		return err
	}
	path := proxyPath(t.Proxy, "toxics", t.Name)
	if toxics.IsHTTP(t.Type) {
		return c.api.call(ctx, http.MethodPatch, path,
			map[string]any{"attributes": t.Attributes}, nil)
	}
	var now Toxic
	if err := c.api.call(ctx, http.MethodGet, path, nil, &now); err != nil {
		return err
	}
	now.Proxy = t.Proxy
	now.Attributes = maps.Clone(now.Attributes)
	maps.Copy(now.Attributes, t.Attributes)
	if t.Toxicity != nil {
		now.Toxicity = t.Toxicity
	}
	if err := now.check(); err != nil {
		return err
	}
	if err := c.api.call(ctx, http.MethodDelete, path, nil, nil); err != nil {
		return err
	}
	return c.api.call(ctx, http.MethodPost, proxyPath(t.Proxy, "toxics"), now.wire(), nil)
}

// RemoveToxic implements Controller.
func (c *control) RemoveToxic(ctx context.Context, proxy, name string) error {
	t := Toxic{Proxy: proxy, Name: name}
	if err := c.known(proxy); err != nil {
		return t.wrap(err)
	}
	return t.wrap(c.api.call(ctx, http.MethodDelete, proxyPath(proxy, "toxics", name), nil, nil))
}
