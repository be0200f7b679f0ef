package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/xk6-continuity/xk6-continuity/toxics/bridge"
)

// control is the controller of any toxiproxy.
type control struct {
	api       api
	where     string   // for messages: which toxiproxy
	httpToxic bool     // whether the server has HTTP toxics
	registry  registry // of the load generators that share the server; nil when embedded
	remote    string   // host of the API; empty when embedded
	shutdown  func()   // of an embedded server; may be nil
	// warn is told of https upstreams that a remote server cannot reach; nil when
	// embedded, as that tells by its log.
	warn func(string)

	mu      sync.Mutex
	proxies map[string]uint64 // that this controller made or shares; upstream errors before
}

var _ Controller = &control{}

// AddProxy implements Controller.
func (c *control) AddProxy(ctx context.Context, config ProxyConfig) (Proxy, error) {
	proxy, err := c.addProxy(ctx, config)
	if err != nil {
		return Proxy{}, fmt.Errorf("proxy %q: %w", config.Name, err)
	}
	return proxy, nil
}

func (c *control) addProxy(ctx context.Context, config ProxyConfig) (Proxy, error) {
	if config.Name == "" {
		return Proxy{}, errors.New("name must not be empty")
	}
	if strings.HasPrefix(config.Name, recordPrefix) {
		return Proxy{}, fmt.Errorf("name must not start with %q", recordPrefix)
	}
	if err := c.setListen(&config); err != nil {
		return Proxy{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.proxies[config.Name]; ok {
		return Proxy{}, ErrExists
	}
	tls, err := c.upstream(config)
	if err != nil {
		return Proxy{}, err
	}
	view, err := c.create(ctx, config, tls)
	if err != nil {
		return Proxy{}, err
	}
	c.proxies[config.Name] = view.UpstreamErrors.Count
	listen, err := c.reachable(view.Listen)
	return Proxy{Name: config.Name, Listen: listen}, err
}

// setListen checks the listen address or chooses one.
func (c *control) setListen(config *ProxyConfig) error {
	if config.Listen == "" {
		if c.remote != "" && !isLoopback(c.remote) {
			return fmt.Errorf(`listen must be given for %s, such as "0.0.0.0:8666", got nothing`,
				c.where)
		}
		config.Listen = "127.0.0.1:0"
	}
	if _, port, err := net.SplitHostPort(config.Listen); err != nil || port == "" {
		return fmt.Errorf("listen must be host:port, got %q", config.Listen)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// reachable is where the load connects to: a remote toxiproxy that listens on
// all addresses is reached at the host of its API.
func (c *control) reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("reading toxiproxy's listen address %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); c.remote != "" && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = c.remote
	}
	return net.JoinHostPort(host, port), nil
}

// create makes the proxy, or shares the one that another load generator made.
func (c *control) create(
	ctx context.Context, config ProxyConfig, tls *bridge.TLS,
) (view proxyView, err error) {
	input := map[string]any{
		"name": config.Name, "listen": config.Listen, "upstream": config.Upstream, "enabled": true,
	}
	if tls != nil {
		input["tls"] = tls
	}
	err = c.api.call(ctx, http.MethodPost, "/proxies", input, &view)
	if errors.Is(err, ErrExists) && c.registry != nil {
		view, err = c.share(ctx, config.Name, config.Upstream)
		if err == nil {
			err = c.registry.use(ctx, config.Name)
		}
		return view, err
	}
	if err != nil {
		if strings.Contains(err.Error(), "address already in use") {
			return view, fmt.Errorf("listen address %s is in use: choose another with the option "+
				"listen", config.Listen)
		}
		return view, err
	}
	if c.registry != nil {
		err = errors.Join(c.registry.own(ctx, config.Name), c.registry.use(ctx, config.Name))
	}
	return view, err
}

func (c *control) share(ctx context.Context, name, upstream string) (view proxyView, err error) {
	if err := c.api.call(ctx, http.MethodGet, proxyPath(name), nil, &view); err != nil {
		return view, err
	}
	if view.Upstream != upstream {
		return view, fmt.Errorf("%s has a proxy of that name with another upstream: "+
			"it is %q, wanted is %q", c.where, view.Upstream, upstream)
	}
	return view, nil
}

// Disable implements Controller.
func (c *control) Disable(ctx context.Context, proxy string) error {
	return c.switchTo(ctx, proxy, json.RawMessage(`{"enabled":false}`))
}

// Enable implements Controller.
func (c *control) Enable(ctx context.Context, proxy string) error {
	return c.switchTo(ctx, proxy, json.RawMessage(`{"enabled":true}`))
}

func (c *control) switchTo(ctx context.Context, proxy string, state json.RawMessage) error {
	err := c.known(proxy)
	if err == nil {
		err = c.api.call(ctx, http.MethodPost, proxyPath(proxy), state, nil)
	}
	if err != nil {
		return fmt.Errorf("switching proxy %q to %s: %w", proxy, state, err)
	}
	return nil
}

// Counters implements Controller.
func (c *control) Counters(ctx context.Context) ([]Counters, error) {
	if !c.httpToxic {
		return nil, nil
	}
	var all []Counters
	if err := c.api.call(ctx, http.MethodGet, "/counts", nil, &all); err != nil {
		return nil, fmt.Errorf("reading the toxics' counters: %w", err)
	}
	if err := c.lookAtUpstreams(ctx); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(one Counters) bool {
		return c.known(one.Proxy) != nil
	}), nil
}

// Lease implements Controller.
func (c *control) Lease(plan string) Lease {
	if c.registry == nil {
		return soleLease{}
	}
	return c.registry.lease(plan)
}

// Close implements Controller.
func (c *control) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for name := range c.proxies {
		errs = append(errs, c.release(ctx, name))
	}
	clear(c.proxies)
	if c.shutdown != nil {
		c.shutdown()
	}
	return errors.Join(errs...)
}

// release deletes a proxy unless it is not ours or others still use it.
func (c *control) release(ctx context.Context, name string) error {
	if c.registry != nil {
		last, err := c.registry.leave(ctx, name)
		if err != nil || !last {
			return err
		}
	}
	err := c.api.call(ctx, http.MethodDelete, proxyPath(name), nil, nil)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("deleting proxy %q: %w", name, err)
	}
	return nil
}
