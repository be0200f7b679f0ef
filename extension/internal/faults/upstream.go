package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/xk6-continuity/xk6-continuity/toxics/bridge"
)

// upstream checks a proxy's upstream and reads the files of an https one. They are
// on this machine, and the server may be elsewhere: it is sent their text.
func (c *control) upstream(config ProxyConfig) (*bridge.TLS, error) {
	if bridge.IsURL(config.Upstream) {
		if !c.httpToxic {
			return nil, fmt.Errorf("https upstreams need the embedded toxiproxy or one with HTTP "+
				"toxics (bin/toxiproxy), got %q with %s", config.Upstream, c.where)
		}
		return config.readTLS()
	}
	if config.CAFile+config.ClientCert+config.ClientKey != "" || config.RewriteLocation {
		return nil, fmt.Errorf("caFile, clientCert, clientKey and rewriteLocation are for https "+
			"upstreams, got the upstream %q", config.Upstream)
	}
	host, port, err := net.SplitHostPort(config.Upstream)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("upstream must be host:port or https://host[:port], got %q",
			config.Upstream)
	}
	return nil, nil //nolint:nilnil // plain bytes need no TLS
}

// readTLS reads the files, and checks them here, where their names mean something.
func (p *ProxyConfig) readTLS() (*bridge.TLS, error) {
	out := &bridge.TLS{RewriteLocation: p.RewriteLocation}
	if p.CAFile != "" {
		text, err := os.ReadFile(p.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading caFile: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("caFile must hold PEM certificates, got none in %q", p.CAFile)
		}
		out.CA = string(text)
	}
	if p.ClientCert == "" && p.ClientKey == "" {
		return out, nil
	}
	if p.ClientCert == "" || p.ClientKey == "" {
		return nil, fmt.Errorf("clientCert and clientKey must be given together, got %q and %q",
			p.ClientCert, p.ClientKey)
	}
	cert, err := os.ReadFile(p.ClientCert)
	if err != nil {
		return nil, fmt.Errorf("reading clientCert: %w", err)
	}
	key, err := os.ReadFile(p.ClientKey)
	if err != nil {
		return nil, fmt.Errorf("reading clientKey: %w", err)
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return nil, fmt.Errorf("reading clientCert and clientKey: %w", err)
	}
	out.ClientCert, out.ClientKey = string(cert), string(key)
	return out, nil
}

// lookAtUpstreams tells of https upstreams that a remote server could not reach since
// their proxies were made or shared. It is in that server's log and in the responses
// 502, of which the load sees a status alone.
func (c *control) lookAtUpstreams(ctx context.Context) error {
	if c.warn == nil {
		return nil
	}
	all := make(map[string]proxyView)
	if err := c.api.call(ctx, http.MethodGet, "/proxies", nil, &all); err != nil {
		return fmt.Errorf("reading the proxies' upstream errors: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.proxies)) {
		if failed := all[name].UpstreamErrors; failed.Count > c.proxies[name] {
			c.warn(fmt.Sprintf("toxiproxy: proxy %q: Unable to reach the https upstream: %s",
				name, failed.Last))
		}
	}
	return nil
}
