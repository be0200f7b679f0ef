package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// EmbeddedConfig configures the embedded toxiproxy.
type EmbeddedConfig struct {
	Warn func(string) // told of what toxiproxy reports as an error; may be nil
}

// embedded is toxiproxy as a library.
type embedded struct {
	server *toxiproxy.ApiServer
	mu     sync.Mutex
	hubs   map[string]*embeddedProxy
}

type embeddedProxy struct {
	proxy   *toxiproxy.Proxy
	hub     *toxics.Hub
	removed map[string]toxics.Counters // last counts of removed toxics, summed by name
	config  ProxyConfig
}

var hubIDs atomic.Uint64 //nolint:gochecknoglobals // hubs are found by id across the process

// NewEmbedded starts a toxiproxy in this process, without an API listener.
func NewEmbedded(config EmbeddedConfig) (Controller, error) {
	toxics.Register()
	logger := zerolog.New(&warnWriter{config.Warn}).Level(zerolog.ErrorLevel)
	return &embedded{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), logger),
		hubs:   make(map[string]*embeddedProxy),
	}, nil
}

// warnWriter turns toxiproxy's log lines into warnings.
type warnWriter struct{ warn func(string) }

// Write implements io.Writer.
func (w *warnWriter) Write(line []byte) (int, error) {
	var entry struct{ Message, Error string }
	if w.warn != nil && json.Unmarshal(line, &entry) == nil {
		w.warn(strings.TrimSpace("toxiproxy: " + entry.Message + " " + entry.Error))
	}
	return len(line), nil
}

// AddProxy implements Controller.
func (e *embedded) AddProxy(_ context.Context, config ProxyConfig) (Proxy, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if config.Name == "" {
		return Proxy{}, errors.New("proxy name must not be empty")
	}
	if e.hubs[config.Name] != nil {
		return Proxy{}, fmt.Errorf("proxy %q already exists", config.Name)
	}
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	upstream, err := plainUpstream(config)
	if err != nil {
		return Proxy{}, fmt.Errorf("proxy %q: %w", config.Name, err)
	}
	if _, _, err := net.SplitHostPort(config.Listen); err != nil {
		return Proxy{}, fmt.Errorf(
			"proxy %q: listen must be host:port, got %q",
			config.Name,
			config.Listen,
		)
	}
	hub := toxics.NewHub(config.Name + "-" + strconv.FormatUint(hubIDs.Add(1), 10))
	proxy := toxiproxy.NewProxy(e.server, config.Name, config.Listen, upstream)
	if err := hub.Install(proxy); err != nil {
		return Proxy{}, err
	}
	if err := e.server.Collection.Add(proxy, true); err != nil {
		hub.Close()
		if errors.Is(err, syscall.EADDRINUSE) {
			return Proxy{}, fmt.Errorf(
				"proxy %q: listen address %s is in use: choose another with the option listen",
				config.Name,
				config.Listen,
			)
		}
		return Proxy{}, fmt.Errorf("proxy %q: listening on %s: %w", config.Name, config.Listen, err)
	}
	e.hubs[config.Name] = &embeddedProxy{
		proxy: proxy, hub: hub, removed: make(map[string]toxics.Counters), config: config,
	}
	return Proxy{Name: config.Name, Listen: proxy.Listen}, nil
}

// plainUpstream checks the upstream of a byte proxy.
func plainUpstream(config ProxyConfig) (string, error) {
	host, port, err := net.SplitHostPort(config.Upstream)
	if err != nil || host == "" || port == "" {
		return "", fmt.Errorf("upstream must be host:port, got %q", config.Upstream)
	}
	return config.Upstream, nil
}

func (e *embedded) get(name string) (*embeddedProxy, error) {
	if p := e.hubs[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("proxy %q does not exist", name)
}

// AddToxic implements Controller.
func (e *embedded) AddToxic(_ context.Context, t Toxic) error {
	if err := t.check(); err != nil {
		return fmt.Errorf("toxic %q: %w", t.Name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.get(t.Proxy)
	if err != nil {
		return err
	}
	attributes, err := t.attributes()
	if err != nil {
		return err
	}
	if toxics.IsHTTP(t.Type) {
		return p.hub.Add(t.Name, t.Type, attributes)
	}
	if t.Toxicity == nil {
		all := float32(1)
		t.Toxicity = &all
	}
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("toxic %q: %w", t.Name, err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("toxic %q on proxy %q: %w", t.Name, t.Proxy, err)
	}
	return nil
}

// UpdateToxic implements Controller.
func (e *embedded) UpdateToxic(ctx context.Context, t Toxic) error {
	if err := t.check(); err != nil {
		return fmt.Errorf("toxic %q: %w", t.Name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.get(t.Proxy)
	if err != nil {
		return err
	}
	attributes, err := t.attributes()
	if err != nil {
		return err
	}
	if toxics.IsHTTP(t.Type) {
		return p.hub.Update(t.Name, attributes)
	}
	// Toxiproxy decodes into the live toxic while its pipes read it, which is a
	// data race: take the toxic out and put it in again instead.
	if err := p.proxy.Toxics.RemoveToxic(ctx, t.Name); err != nil {
		return fmt.Errorf("toxic %q on proxy %q: %w", t.Name, t.Proxy, err)
	}
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("toxic %q: %w", t.Name, err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("toxic %q on proxy %q: %w", t.Name, t.Proxy, err)
	}
	return nil
}

// RemoveToxic implements Controller.
func (e *embedded) RemoveToxic(ctx context.Context, proxy, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.get(proxy)
	if err != nil {
		return err
	}
	if last, err := p.hub.Remove(name); err == nil {
		before := p.removed[name]
		last.Seen += before.Seen
		last.Selected += before.Selected
		last.Injected += before.Injected
		p.removed[name] = last
		return nil
	}
	if err := p.proxy.Toxics.RemoveToxic(ctx, name); err != nil {
		return fmt.Errorf("toxic %q on proxy %q: %w", name, proxy, err)
	}
	return nil
}

// SetEnabled implements Controller.
//
//nolint:revive // on is the state that is wanted, as in toxiproxy's own API
func (e *embedded) SetEnabled(_ context.Context, name string, on bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.get(name)
	if err != nil {
		return err
	}
	if !on {
		p.proxy.Stop()
		return nil
	}
	if err := p.proxy.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("enabling proxy %q: %w", name, err)
	}
	return nil
}

// Counters implements Controller.
func (e *embedded) Counters(context.Context) ([]Counters, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Counters
	for name, p := range e.hubs {
		live := make(map[string]bool)
		for _, c := range p.hub.Counters() {
			live[c.Name] = true
			before := p.removed[c.Name]
			c.Seen += before.Seen
			c.Selected += before.Selected
			c.Injected += before.Injected
			out = append(out, Counters{Proxy: name, Counters: c})
		}
		for toxic, c := range p.removed {
			if !live[toxic] {
				out = append(out, Counters{Proxy: name, Counters: c})
			}
		}
	}
	return out, nil
}

// Close implements Controller.
func (e *embedded) Close(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.hubs {
		p.proxy.Stop()
		p.hub.Close()
	}
	clear(e.hubs)
	return nil
}
