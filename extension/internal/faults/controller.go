package faults

import (
	"context"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// ProxyConfig describes a proxy.
type ProxyConfig struct {
	Name       string
	Upstream   string // host:port, or https://host[:port] for verified TLS to the service
	Listen     string // host:port; default a free port on loopback
	CAFile     string // PEM certificate authorities of an https upstream
	ClientCert string // PEM client certificate for an https upstream
	ClientKey  string //nolint:gosec // the path of its key, not the key
}

// Proxy is a proxy that listens.
type Proxy struct {
	Name   string
	Listen string // host:port
}

// Counters are what one HTTP toxic of one proxy has counted.
type Counters struct {
	Proxy string
	toxics.Counters
}

// Controller drives one toxiproxy. It is safe for concurrent use.
type Controller interface {
	// AddProxy makes a proxy and starts it.
	AddProxy(ctx context.Context, config ProxyConfig) (Proxy, error)
	// AddToxic puts a toxic in. Its name must be new to its proxy.
	AddToxic(ctx context.Context, t Toxic) error
	// UpdateToxic replaces the attributes of a toxic.
	UpdateToxic(ctx context.Context, t Toxic) error
	// RemoveToxic takes a toxic out.
	RemoveToxic(ctx context.Context, proxy, name string) error
	// SetEnabled takes a proxy down or brings it up again.
	SetEnabled(ctx context.Context, proxy string, on bool) error
	// Counters lists the HTTP toxics that are in, and those that were removed
	// with their last counts. Toxiproxy's own toxics do not count.
	Counters(ctx context.Context) ([]Counters, error)
	// Close stops all proxies that this controller made.
	Close(ctx context.Context) error
}
