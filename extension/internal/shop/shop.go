package shop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// Config is what the demo can be told. Shares are between 0 and 1.
type Config struct {
	Endpoint    string // OTLP/HTTP base URL, or host:port for OTLP/gRPC; empty: no export
	Gateway     string // listen address
	Inventory   string
	Pricing     string
	Fail        float64       // share of gateway requests answered with 503
	Slow        float64       // share of gateway requests that wait SlowBy
	SlowBy      time.Duration //
	DropContext float64       // share of gateway requests whose trace context is ignored
	DropSpans   float64       // share of gateway requests whose SERVER span is not exported
	Duplicate   float64       // share of gateway requests handled twice, as behind a retrying proxy
	Seed        uint64
	Batch       time.Duration // how long spans wait for their batch; default 1s
	// Ready is told the address of each service when it listens, the gateway's last.
	Ready func(service, address string)
	// Warn is told of spans that could not be exported.
	Warn func(message string)
}

// shutdownTimeout bounds the end of requests, and that of the exports after it.
const shutdownTimeout = 5 * time.Second

// Run serves until ctx ends, then finishes requests and exports the last
// spans. A port in use is an error that names the service and the address.
func Run(ctx context.Context, c Config) (err error) {
	if c.Batch == 0 {
		c.Batch = time.Second
	}
	if c.Ready == nil {
		c.Ready = func(string, string) {}
	}
	if c.Warn == nil {
		c.Warn = func(string) {}
	}
	var servers []*http.Server
	var providers []*telemetry
	defer func() {
		ctx := context.WithoutCancel(ctx)
		for _, server := range slices.Backward(servers) {
			err = errors.Join(err, stop(ctx, server))
		}
		exporting, cancel := context.WithTimeout(ctx, shutdownTimeout)
		defer cancel()
		for _, p := range providers {
			p.shutdown(exporting)
		}
	}()
	failed := make(chan error, 3)
	serve := func(name, listen string, routes func(*telemetry) http.Handler) (string, error) {
		p, err := newTelemetry(ctx, name, c)
		if err != nil {
			return "", err
		}
		providers = append(providers, p)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
		if err != nil {
			return "", fmt.Errorf("listening for %s on %s: %w", name, listen, err)
		}
		server := &http.Server{Handler: routes(p), ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, server)
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving %s: %w", name, err)
			}
		}()
		c.Ready(name, l.Addr().String())
		return "http://" + l.Addr().String(), nil
	}
	if err := serveAll(c, serve); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// serveAll starts the called services before their caller.
func serveAll(
	c Config, serve func(name, listen string, routes func(*telemetry) http.Handler) (string, error),
) error {
	inventory, err := serve("inventory", c.Inventory, inventoryRoutes)
	if err != nil {
		return err
	}
	pricing, err := serve("pricing", c.Pricing, pricingRoutes)
	if err != nil {
		return err
	}
	_, err = serve("gateway", c.Gateway, func(t *telemetry) http.Handler {
		return gatewayRoutes(t, c, inventory, pricing)
	})
	return err
}

// stop lets a server finish its requests, and closes what is left then: for
// some seconds a connection without a request counts as one that has a request.
func stop(ctx context.Context, server *http.Server) error {
	closing, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	err := server.Shutdown(closing)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}
