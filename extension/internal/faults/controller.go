package faults

import (
	"context"
	"errors"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// ErrExists is the error of a proxy or toxic whose name is taken.
var ErrExists = errors.New("the name is taken")

// ErrNotFound is the error of a proxy or toxic that is not there.
var ErrNotFound = errors.New("not found")

// ProxyConfig describes a proxy.
type ProxyConfig struct {
	Name       string
	Upstream   string // host:port, or https://host[:port] for verified TLS to the service
	Listen     string // host:port; default a free port on loopback
	CAFile     string // PEM certificate authorities of an https upstream
	ClientCert string // PEM client certificate for an https upstream
	ClientKey  string //nolint:gosec // the path of its key, not the key
	// RewriteLocation turns Location headers by which an https upstream leads to
	// itself into URLs of the proxy.
	RewriteLocation bool
}

// Proxy is a proxy that listens.
type Proxy struct {
	Name   string
	Listen string // host:port that the load connects to
}

// Counters are what one HTTP toxic of one proxy has counted, over all the times
// that it was in. They only grow.
type Counters struct {
	Proxy string `json:"proxy"`
	toxics.Counters
}

// Controller drives one toxiproxy. It is safe for concurrent use.
type Controller interface {
	// AddProxy makes a proxy and starts it. A proxy of that name which is on a
	// remote server already is shared if it has the same upstream.
	AddProxy(ctx context.Context, config ProxyConfig) (Proxy, error)
	// Supports says whether the server knows a type of toxic; the error says what
	// to do.
	Supports(kind string) error
	// AddToxic puts a toxic in. ErrExists: its proxy has one of that name.
	AddToxic(ctx context.Context, t Toxic) error
	// UpdateToxic changes the attributes of a toxic that t has and keeps the others.
	UpdateToxic(ctx context.Context, t Toxic) error
	// RemoveToxic takes a toxic out. ErrNotFound: it was not in.
	RemoveToxic(ctx context.Context, proxy, name string) error
	// Disable takes a proxy down: connections are closed and refused.
	Disable(ctx context.Context, proxy string) error
	// Enable brings a proxy up again.
	Enable(ctx context.Context, proxy string) error
	// Counters lists the HTTP toxics that are or were in. Toxiproxy's own toxics do
	// not count.
	Counters(ctx context.Context) ([]Counters, error)
	// Lease is how the load generators that drive this server agree on the one that
	// takes a plan through its phases.
	Lease(plan string) Lease
	// Close stops the proxies that this controller made, unless others use them.
	Close(ctx context.Context) error
}
