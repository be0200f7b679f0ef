package faults

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// RemoteConfig configures the use of a toxiproxy server.
type RemoteConfig struct {
	URL  string       // of its API, such as http://toxiproxy:8474
	Warn func(string) // told of https upstreams that it cannot reach; may be nil
}

// NewRemote drives the toxiproxy server at a URL. The server may be shared with
// other load generators, which then share proxies of the same name as well.
func NewRemote(ctx context.Context, config RemoteConfig) (Controller, error) {
	u, err := url.Parse(strings.TrimSuffix(config.URL, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, fmt.Errorf(`must be a URL such as "http://127.0.0.1:8474", got %q`,
			config.URL)
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		transport = &http.Transport{}
	}
	c, err := newRemote(ctx, u, transport.Clone())
	if err != nil {
		return nil, err
	}
	c.warn = once(config.Warn)
	return c, nil
}

// newRemote finds out what the server can do.
func newRemote(
	ctx context.Context, u *url.URL, transport http.RoundTripper,
) (*control, error) {
	c := &control{
		api:   api{base: u.String(), http: &http.Client{Transport: transport}},
		where: "the toxiproxy at " + u.Redacted(), remote: u.Hostname(),
		proxies: make(map[string]uint64),
	}
	var version struct{ Version string }
	if err := c.api.call(ctx, http.MethodGet, "/version", nil, &version); err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", c.where, err)
	}
	c.where += " (version " + version.Version + ")"
	switch err := c.api.call(ctx, http.MethodGet, "/counts", nil, nil); {
	case err == nil:
		c.httpToxic = true
	case !isNotFound(err):
		return nil, fmt.Errorf("%s cannot be used: %w", c.where, err)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	c.registry = &records{api: &c.api, id: hex.EncodeToString(id[:])}
	return c, nil
}
