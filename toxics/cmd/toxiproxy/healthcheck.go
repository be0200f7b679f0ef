package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// healthTimeout bounds one look at the API.
const healthTimeout = 2 * time.Second

// healthcheck asks the API of a server with the same -host and -port for its
// version: the health check of an image without a shell.
func healthcheck(ctx context.Context, o *options) error {
	host := o.host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	url := "http://" + net.JoinHostPort(host, o.port) + "/version"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("checking %s: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req) //nolint:gosec // the address of -host and -port
	if err != nil {
		return fmt.Errorf("checking %s: %w", url, err)
	}
	_ = resp.Body.Close() // only the status counts
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("checking %s: want status 200, got %s", url, resp.Status)
	}
	return nil
}
