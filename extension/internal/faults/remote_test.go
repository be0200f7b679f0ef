package faults_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	client2 "github.com/Shopify/toxiproxy/v2/client"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics/server"
)

// toxiproxyServer is the toxiproxy of this project with its API.
func toxiproxyServer(t *testing.T) string {
	t.Helper()
	s, err := server.New(server.Config{Logger: zerolog.Nop()})
	require.NoError(t, err)
	api := httptest.NewServer(s.Handler())
	t.Cleanup(func() { api.Close(); s.Close() })
	return api.URL
}

// plainToxiproxy is the toxiproxy that everybody has.
func plainToxiproxy(t *testing.T) string {
	t.Helper()
	s := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	api := httptest.NewServer(s.Routes())
	t.Cleanup(func() { api.Close(); assert.NoError(t, s.Collection.Clear()) })
	return api.URL
}

func newRemote(t *testing.T, url string) faults.Controller {
	t.Helper()
	ctl, err := faults.NewRemote(context.Background(), faults.RemoteConfig{URL: url})
	require.NoError(t, err)
	return ctl
}

// proxiesOf lists the server's proxies, records included.
func proxiesOf(t *testing.T, url string) map[string]*client2.Proxy {
	t.Helper()
	proxies, err := client2.NewClient(url).Proxies()
	require.NoError(t, err)
	return proxies
}

func TestRemoteDrivesAServerWithHTTPToxics(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := toxiproxyServer(t)
	upstream, ctl, c := newService(t), newRemote(t, url+"/"), client(t)
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream.address()})
	require.NoError(t, ctl.Supports("http_status"))
	require.NoError(t, ctl.AddToxic(ctx, onShop("http_status", map[string]any{"status": 418, "every": 2})))
	require.ErrorIs(t, ctl.AddToxic(ctx, onShop("http_status", nil)), faults.ErrExists)
	var got []int
	for range 4 {
		status, _, _ := get(c, shop)
		got = append(got, status)
	}
	assert.Equal(t, []int{200, 418, 200, 418}, got)
	require.NoError(t, ctl.RemoveToxic(ctx, "shop", "http_status"))
	counters, err := ctl.Counters(ctx)
	require.NoError(t, err)
	require.Len(t, counters, 1, "with those that were removed")
	assert.EqualValues(t, 4, counters[0].Seen)
	assert.EqualValues(t, 2, counters[0].Injected)
	require.NoError(t, ctl.Disable(ctx, "shop"))
	status, _, _ := get(c, shop)
	assert.Zero(t, status)
	require.NoError(t, ctl.Enable(ctx, "shop"))
	status, _, _ = get(c, shop)
	assert.Equal(t, 200, status)
	require.NoError(t, ctl.Close(ctx))
	assert.Empty(t, proxiesOf(t, url), "nothing is left behind")
}

func TestRemotePlainToxiproxyHasItsOwnToxics(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := plainToxiproxy(t)
	upstream, ctl, c := newService(t), newRemote(t, url), client(t)
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream.address()})
	const want = "type http_status needs a toxiproxy with HTTP toxics (bin/toxiproxy), and " +
		"the toxiproxy at "
	require.ErrorContains(t, ctl.Supports("http_status"), want)
	require.ErrorContains(t, ctl.Supports("http_status"), "has only toxiproxy's own: bandwidth, latency")
	require.ErrorContains(t, ctl.AddToxic(ctx, onShop("http_status", nil)), want)
	require.NoError(t, ctl.AddToxic(ctx, onShop("latency", map[string]any{"latency": 1})))
	require.NoError(t, ctl.UpdateToxic(ctx, onShop("latency", map[string]any{"jitter": 1})))
	toxics := proxiesOf(t, url)["shop"].ActiveToxics
	require.Len(t, toxics, 1)
	assert.Equal(t, client2.Attributes{"latency": 1.0, "jitter": 1.0}, toxics[0].Attributes)
	status, _, _ := get(c, shop)
	assert.Equal(t, 200, status)
	counters, err := ctl.Counters(ctx)
	require.NoError(t, err)
	assert.Empty(t, counters)
	require.NoError(t, ctl.RemoveToxic(ctx, "shop", "latency"))
	require.NoError(t, ctl.Close(ctx))
	assert.Empty(t, proxiesOf(t, url))
}

func TestRemoteProxyIsSharedUntilTheLastHasLeft(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := toxiproxyServer(t)
	upstream, c := newService(t), client(t)
	config := faults.ProxyConfig{Name: "shop", Upstream: upstream.address()}
	first, second := newRemote(t, url), newRemote(t, url)
	shop := addProxy(t, first, config)
	assert.Equal(t, shop, addProxy(t, second, config))
	_, err := newRemote(t, url).AddProxy(ctx, faults.ProxyConfig{
		Name: "shop", Upstream: "127.0.0.1:9",
	})
	require.ErrorContains(t, err, "has a proxy of that name with another upstream: it is")
	require.NoError(t, first.Close(ctx), "the one that made it")
	status, _, _ := get(c, shop)
	assert.Equal(t, 200, status)
	require.NoError(t, second.Close(ctx))
	assert.Empty(t, proxiesOf(t, url))
}

func TestRemoteProxyOfTheUserStays(t *testing.T) {
	t.Parallel()
	url := toxiproxyServer(t)
	upstream := newService(t)
	_, err := client2.NewClient(url).CreateProxy("shop", "127.0.0.1:0", upstream.address())
	require.NoError(t, err)
	ctl := newRemote(t, url)
	addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream.address()})
	require.NoError(t, ctl.Close(context.Background()))
	left := proxiesOf(t, url)
	assert.Len(t, left, 1)
	assert.True(t, left["shop"].Enabled)
}

func TestRemoteThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for url, want := range map[string]string{
		"toxiproxy:8474":       `must be a URL such as "http://127.0.0.1:8474", got "toxiproxy:8474"`,
		"ftp://toxiproxy":      "must be a URL",
		"http://127.0.0.1:9":   "the toxiproxy at http://127.0.0.1:9 cannot be used: asking toxiproxy",
		other.URL:              "cannot be used: toxiproxy answered 404 Not Found",
		"http://a:b@127.0.0.1": "the toxiproxy at http://a:xxxxx@127.0.0.1 cannot be used",
	} {
		_, err := faults.NewRemote(context.Background(), faults.RemoteConfig{URL: url})
		require.ErrorContains(t, err, want)
	}
}

func TestRemoteAddresses(t *testing.T) {
	t.Parallel()
	ctl := newRemote(t, toxiproxyServer(t))
	// A proxy on all addresses is reached where the API is.
	proxy, err := ctl.AddProxy(context.Background(), faults.ProxyConfig{
		Name: "all", Upstream: "127.0.0.1:9", Listen: "0.0.0.0:0",
	})
	require.NoError(t, err)
	host, _, err := net.SplitHostPort(proxy.Listen)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", host)
	require.NoError(t, ctl.Close(context.Background()))
}

// TestUsersAreOfTheirOwnProxy: a proxy goes with its last user, although another, whose
// name begins with its name, is still in use.
func TestUsersAreOfTheirOwnProxy(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := toxiproxyServer(t)
	first, second := newRemote(t, url), newRemote(t, url)
	addProxy(t, first, faults.ProxyConfig{Name: "shop", Upstream: "127.0.0.1:9"})
	addProxy(t, second, faults.ProxyConfig{Name: "shop.eu", Upstream: "127.0.0.1:9"})
	require.NoError(t, first.Close(ctx))
	assert.NotContains(t, proxiesOf(t, url), "shop")
	assert.Contains(t, proxiesOf(t, url), "shop.eu")
	require.NoError(t, second.Close(ctx))
	assert.Empty(t, proxiesOf(t, url))
}
