package faults_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics/bridge/bridgetest"
)

func TestHTTPSUpstream(t *testing.T) {
	t.Parallel()
	a := bridgetest.NewAuthority(t)
	s := bridgetest.NewService(t, a, "localhost", nil)
	ctl, c := newEmbedded(t, nil), client(t)
	upstream := s.Upstream()
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream, CAFile: a.File})
	for range 3 {
		resp, err := c.Post(shop+"/cart", "text/plain", strings.NewReader("body"))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, "/cart  body", string(body))
		assert.Equal(t, strings.TrimPrefix(upstream, "https://"), <-s.Hosts, "Host of the upstream")
		assert.Equal(t, "localhost", <-s.Names, "SNI of the upstream")
		assert.Equal(t, "HTTP/1.1 http/1.1", <-s.Protocols)
	}
	// Toxics see plain HTTP.
	require.NoError(t, ctl.AddToxic(context.Background(), onShop("http_status", nil)))
	status, mark, _ := get(c, shop)
	assert.Equal(t, 503, status)
	assert.Equal(t, "http_status; mode=abort; name=http_status; proxy=shop", mark)
	assert.Empty(t, s.Hosts)
}

func TestHTTPSUpstreamWithAClientCertificate(t *testing.T) {
	t.Parallel()
	a := bridgetest.NewAuthority(t)
	s := bridgetest.NewService(t, a, "localhost", a.Require)
	cert, key := a.ClientFiles(t, "the load")
	ctl, c := newEmbedded(t, nil), client(t)
	with := addProxy(t, ctl, faults.ProxyConfig{
		Name: "with", Upstream: s.Upstream(), CAFile: a.File,
		ClientCert: cert, ClientKey: key,
	})
	status, _, body := get(c, with)
	assert.Equal(t, 200, status, body)
	assert.Equal(t, "the load", <-s.Clients)
}

// TestHTTPSUpstreamThatDoesNotVerify: the response says why, and is known to be
// no answer of the service.
func TestHTTPSUpstreamThatDoesNotVerify(t *testing.T) {
	t.Parallel()
	a := bridgetest.NewAuthority(t)
	s, local := bridgetest.NewService(t, a, "shop.example", nil), bridgetest.NewService(t, a, "localhost", nil)
	for name, config := range map[string]faults.ProxyConfig{
		"certificate signed by unknown authority": {Upstream: local.Upstream()},
		"certificate is valid for shop.example, not localhost": {
			Upstream: s.Upstream(), CAFile: a.File,
		},
		"connection refused": {Upstream: "https://127.0.0.1:9"},
	} {
		warned := &messages{}
		ctl, c := newEmbedded(t, warned.add), client(t)
		config.Name = "my shop"
		shop := addProxy(t, ctl, config)
		for range 2 {
			status, mark, body := get(c, shop)
			assert.Equal(t, 502, status, body)
			assert.Equal(t, "tls_upstream; mode=abort; name=my%20shop", mark)
			assert.Contains(t, body, name)
			assert.Contains(t, body, "upstream "+config.Upstream)
		}
		resp, err := c.Head(shop)
		require.NoError(t, err)
		assert.Equal(t, 502, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
		require.Len(t, warned.all(), 1, "said once")
		assert.Contains(t, warned.all()[0], `proxy "my shop": Unable to reach the https upstream`)
		assert.Contains(t, warned.all()[0], name)
	}
	assert.Empty(t, s.Hosts, "the services saw no request")
	assert.Empty(t, local.Hosts, "the services saw no request")
}

// TestHTTPSUpstreamOfARemoteToxiproxy: the files are on this machine, and the
// server is told their text. Load generators share the proxy.
func TestHTTPSUpstreamOfARemoteToxiproxy(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a := bridgetest.NewAuthority(t)
	s := bridgetest.NewService(t, a, "localhost", a.Require)
	cert, key := a.ClientFiles(t, "the load")
	url := toxiproxyServer(t)
	config := faults.ProxyConfig{
		Name: "shop", Upstream: s.Upstream(), CAFile: a.File, RewriteLocation: true,
		ClientCert: cert, ClientKey: key,
	}
	first, second, c := newRemote(t, url), newRemote(t, url), client(t)
	shop := addProxy(t, first, config)
	assert.Equal(t, shop, addProxy(t, second, config))
	assert.Equal(t, s.Upstream(), proxiesOf(t, url)["shop"].Upstream, "as it was asked for")
	status, _, body := get(c, shop)
	assert.Equal(t, 200, status, body)
	assert.Equal(t, "the load", <-s.Clients)
	require.NoError(t, second.AddToxic(ctx, onShop("http_status", nil)))
	status, _, _ = get(c, shop)
	assert.Equal(t, 503, status)
	require.NoError(t, first.Close(ctx))
	require.NoError(t, second.Close(ctx))
	assert.Empty(t, proxiesOf(t, url))

	stock := newRemote(t, plainToxiproxy(t))
	_, err := stock.AddProxy(ctx, config)
	require.ErrorContains(t, err, "https upstreams need the embedded toxiproxy or one with HTTP "+
		"toxics (bin/toxiproxy), got ")
}

// TestHTTPSUpstreamThatARemoteToxiproxyCannotReach is a warning of every load
// generator whose requests it may have met, and not of one that came later.
func TestHTTPSUpstreamThatARemoteToxiproxyCannotReach(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := bridgetest.NewService(t, bridgetest.NewAuthority(t), "localhost", nil)
	url, c := toxiproxyServer(t), client(t)
	config := faults.ProxyConfig{Name: "shop", Upstream: s.Upstream()}
	join := func() (faults.Controller, *messages) {
		warned := &messages{}
		ctl, err := faults.NewRemote(ctx, faults.RemoteConfig{URL: url, Warn: warned.add})
		require.NoError(t, err)
		return ctl, warned
	}
	count := func(ctl faults.Controller) {
		_, err := ctl.Counters(ctx)
		require.NoError(t, err)
	}
	first, warned := join()
	shop := addProxy(t, first, config)
	count(first)
	require.Empty(t, warned.all())
	for range 2 {
		status, _, _ := get(c, shop)
		require.Equal(t, 502, status)
		count(first)
	}
	second, later := join()
	addProxy(t, second, config)
	count(second)
	assert.Empty(t, later.all())
	require.Len(t, warned.all(), 1, "said once")
	assert.Contains(t, warned.all()[0], `toxiproxy: proxy "shop": Unable to reach the https upstream: `+
		`TLS with upstream `+s.Upstream()+`: `)
	assert.Contains(t, warned.all()[0], "certificate signed by unknown authority")
	status, _, _ := get(c, shop)
	require.Equal(t, 502, status)
	count(second)
	assert.Equal(t, warned.all(), later.all())
	require.NoError(t, first.Close(ctx))
	require.NoError(t, second.Close(ctx))
}
