package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/collectors"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/xk6-continuity/xk6-continuity/toxics"
	"github.com/xk6-continuity/xk6-continuity/toxics/bridge"
)

// Config configures a server. The zero value is toxiproxy's default, without
// a log.
type Config struct {
	Logger         zerolog.Logger
	ProxyMetrics   bool    // toxiproxy's byte counters in /metrics
	RuntimeMetrics bool    // the Go runtime's metrics in /metrics
	Seed           *uint64 // of HTTP toxics that have none of their own
}

// Server is a toxiproxy with HTTP toxics. It is safe for concurrent use.
type Server struct {
	api      *toxiproxy.ApiServer
	registry *prometheus.Registry
	seed     *uint64

	mu      sync.Mutex // of entries, and of proxies that come and go
	entries map[*toxiproxy.Proxy]*entry
	made    uint64 // proxies so far, for the names of hubs
}

// entry is what the server keeps for a proxy.
type entry struct {
	proxy    *toxiproxy.Proxy
	hub      *toxics.Hub
	mu       sync.Mutex        // of changes to the proxy and its toxics
	streams  map[string]string // of the HTTP toxics, as they were asked for
	upstream string            // as it was asked for
	tls      bridge.TLS
	bridge   *bridge.Bridge // to an https upstream; nil for another
}

// New returns a server without proxies.
func New(config Config) (*Server, error) {
	toxics.Register()
	container := toxiproxy.NewMetricsContainer(nil)
	s := &Server{
		api:      toxiproxy.NewServer(container, config.Logger),
		registry: prometheus.NewRegistry(),
		seed:     config.Seed,
		entries:  make(map[*toxiproxy.Proxy]*entry),
	}
	all := []prometheus.Collector{(*metrics)(s)}
	if config.ProxyMetrics {
		container.ProxyMetrics = collectors.NewProxyMetricCollectors()
		all = append(all, container.ProxyMetrics.Collectors()...)
	}
	if config.RuntimeMetrics {
		all = append(all, collectors.NewRuntimeMetricCollectors().Collectors()...)
	}
	for _, c := range all {
		if err := s.registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return s, nil
}

// The limits that toxiproxy sets to its API.
const (
	readTimeout  = 15 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 60 * time.Second
)

// Serve answers the API on the listener until ctx is done, and then stops all
// proxies.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer s.Close()
	api := &http.Server{
		Handler:      s.Handler(),
		ReadTimeout:  readTimeout,
		WriteTimeout: writeTimeout,
		IdleTimeout:  idleTimeout,
	}
	served := make(chan error, 1)
	go func() { served <- api.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving the API: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := api.Shutdown(grace); err != nil {
		return fmt.Errorf("stopping the API: %w", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the API: %w", err)
	}
	return nil
}

// Close stops all proxies.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for proxy, e := range s.entries {
		_ = s.api.Collection.Remove(proxy.Name) // replaced proxies are not in it
		e.hub.Close()
		e.bridge.Close()
	}
	clear(s.entries)
}

// Populate makes the proxies of toxiproxy's configuration file: a JSON array of
// {"name", "listen", "upstream", "enabled"}. A proxy that is there already and
// does not differ stays; one that differs is replaced. It returns the proxies
// up to the first that failed.
func (s *Server) Populate(
	ctx context.Context, config io.Reader,
) ([]*toxiproxy.Proxy, error) {
	var inputs []proxyInput
	if err := json.NewDecoder(config).Decode(&inputs); err != nil {
		return nil, badRequest(toxiproxy.ErrBadRequestBody, err.Error())
	}
	for i := range inputs {
		if err := inputs[i].check(" at proxy " + strconv.Itoa(i+1)); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made := make([]*toxiproxy.Proxy, 0, len(inputs))
	for i := range inputs {
		there, err := s.addOrReplace(ctx, &inputs[i])
		if err != nil {
			return made, err
		}
		made = append(made, there)
	}
	return made, nil
}

// addOrReplace makes one proxy of Populate. The lock is held.
func (s *Server) addOrReplace(
	ctx context.Context, input *proxyInput,
) (*toxiproxy.Proxy, error) {
	old := s.named(input.Name)
	e, err := s.prepare(ctx, input, old)
	if err != nil {
		return nil, err
	}
	there, err := s.api.Collection.AddOrReplace(e.proxy, input.enabled())
	if err == nil && there == e.proxy {
		s.adopt(e)
		return there, nil
	}
	e.hub.Close()
	if old == nil || e.bridge != old.bridge {
		e.bridge.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("proxy %q: %w", input.Name, err)
	}
	return there, nil
}

// prepare makes a proxy with its hub and its bridge, or that of an old proxy with
// the same upstream; it does not listen yet. The lock is held.
func (s *Server) prepare(
	ctx context.Context, input *proxyInput, old *entry,
) (*entry, error) {
	s.made++
	e := &entry{
		hub:     toxics.NewHub(fmt.Sprintf("%p-%d", s, s.made)),
		streams: make(map[string]string), upstream: input.Upstream, tls: input.tls(),
	}
	var err error
	if old != nil && old.upstream == e.upstream && old.tls == e.tls {
		e.bridge = old.bridge
	} else if e.bridge, err = s.bridge(ctx, input); err != nil {
		e.hub.Close()
		return nil, err
	}
	e.proxy = toxiproxy.NewProxy(s.api, input.Name, input.Listen, e.address())
	if err := e.hub.Install(e.proxy); err != nil {
		e.hub.Close()
		e.bridge.Close()
		return nil, err
	}
	return e, nil
}

// adopt takes a proxy in and forgets the one that it replaced, if any. The
// lock is held.
func (s *Server) adopt(e *entry) {
	if old := s.named(e.proxy.Name); old != nil {
		old.hub.Close()
		if old.bridge != e.bridge {
			old.bridge.Close()
		}
		delete(s.entries, old.proxy)
	}
	s.entries[e.proxy] = e
}

// named finds the entry of a name; nil for none. The lock is held.
func (s *Server) named(name string) *entry {
	for proxy, e := range s.entries {
		if proxy.Name == name {
			return e
		}
	}
	return nil
}

// entry finds a proxy by name.
func (s *Server) entry(name string) (*entry, error) {
	proxy, err := s.api.Collection.Get(name)
	if err != nil {
		return nil, err //nolint:wrapcheck // toxiproxy's own API error, with its status
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[proxy]; e != nil {
		return e, nil
	}
	return nil, toxiproxy.ErrProxyNotFound
}
