package faults_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
)

// service is an HTTP server that counts its requests and answers with the path.
type service struct {
	*httptest.Server
	requests atomic.Int64
}

func newService(tb testing.TB) *service {
	tb.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	tb.Cleanup(s.Close)
	return s
}

func (s *service) address() string { return s.Listener.Addr().String() }

func newEmbedded(t *testing.T, warn func(string)) faults.Controller {
	t.Helper()
	ctl, err := faults.NewEmbedded(faults.EmbeddedConfig{Warn: warn})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, ctl.Close(context.Background())) })
	return ctl
}

func addProxy(t *testing.T, ctl faults.Controller, config faults.ProxyConfig) string {
	t.Helper()
	proxy, err := ctl.AddProxy(context.Background(), config)
	require.NoError(t, err)
	assert.Equal(t, config.Name, proxy.Name)
	return "http://" + proxy.Listen
}

// client keeps its connections.
func client(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get returns status, X-Toxic and body; status 0 for a transport error.
func get(c *http.Client, url string) (int, string, string) {
	resp, err := c.Get(url)
	if err != nil {
		return 0, "", err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err.Error()
	}
	return resp.StatusCode, resp.Header.Get("X-Toxic"), string(body)
}

func onShop(kind string, attributes map[string]any) faults.Toxic {
	return faults.Toxic{Proxy: "shop", Type: kind, Attributes: attributes}
}

func TestEmbeddedToxicsComeChangeAndGo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	upstream, ctl, c := newService(t), newEmbedded(t, nil), client(t)
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream.address()})
	expect := func(status int, mark string) {
		t.Helper()
		gotStatus, gotMark, body := get(c, shop+"/x")
		assert.Equal(t, status, gotStatus, body)
		assert.Equal(t, mark, gotMark)
	}
	expect(200, "")
	require.NoError(t, ctl.AddToxic(ctx, onShop("http_status", map[string]any{"status": 503, "every": 1})))
	expect(503, "http_status; mode=abort; name=http_status; proxy=shop")
	require.ErrorIs(t, ctl.AddToxic(ctx, onShop("http_status", nil)), faults.ErrExists)
	// What an update does not name stays: every.
	require.NoError(t, ctl.UpdateToxic(ctx, onShop("http_status", map[string]any{
		"status": 418, "mode": "replace",
	})))
	expect(418, "http_status; mode=replace; name=http_status; proxy=shop")
	require.NoError(t, ctl.AddToxic(ctx, onShop("latency", map[string]any{"latency": 1})))
	require.NoError(t, ctl.UpdateToxic(ctx, onShop("latency", map[string]any{"jitter": 1})))
	expect(418, "http_status; mode=replace; name=http_status; proxy=shop")
	require.NoError(t, ctl.RemoveToxic(ctx, "shop", "http_status"))
	require.NoError(t, ctl.RemoveToxic(ctx, "shop", "latency"))
	require.ErrorIs(t, ctl.RemoveToxic(ctx, "shop", "latency"), faults.ErrNotFound)
	expect(200, "")
	assert.EqualValues(t, 4, upstream.requests.Load(), "the aborted request did not reach it")
	counters, err := ctl.Counters(ctx)
	require.NoError(t, err)
	require.Len(t, counters, 1, "toxiproxy's own toxics do not count")
	assert.Equal(t, "shop http_status replace 3 3 3", fmt.Sprint(counters[0].Proxy, " ",
		counters[0].Name, " ", counters[0].Mode, " ", counters[0].Seen, " ", counters[0].Selected,
		" ", counters[0].Injected))
}

func TestEmbeddedProxyGoesDownAndUp(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	upstream, ctl, c := newService(t), newEmbedded(t, nil), client(t)
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream.address()})
	require.NoError(t, ctl.AddToxic(ctx, onShop("http_status", nil)))
	require.NoError(t, ctl.Disable(ctx, "shop"))
	status, _, text := get(c, shop)
	assert.Zero(t, status)
	assert.Contains(t, text, "refused")
	require.NoError(t, ctl.Disable(ctx, "shop"))
	require.NoError(t, ctl.Enable(ctx, "shop"))
	require.NoError(t, ctl.Enable(ctx, "shop"))
	status, _, _ = get(c, shop)
	assert.Equal(t, 503, status, "its toxics are still in")
	require.ErrorContains(t, ctl.Disable(ctx, "store"), `proxy "store" does not exist`)
}

// TestEmbeddedToxicsUnderLoad adds, updates and removes toxics of both kinds
// while connections are busy: every request is answered, and every one that a
// toxic touched is counted.
func TestEmbeddedToxicsUnderLoad(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	upstream, ctl, c := newService(t), newEmbedded(t, nil), client(t)
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream.address()})
	var load sync.WaitGroup
	var answers, injected, failed atomic.Uint64
	for range 16 {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				path := fmt.Sprintf("/%d", n)
				switch status, mark, body := get(c, shop+path); {
				case status == 503 && mark != "":
					injected.Add(1)
				case status != 200 || body != path:
					failed.Add(1)
				}
				answers.Add(1)
			}
		})
	}
	for round := range 10 {
		before := answers.Load()
		require.NoError(t, ctl.AddToxic(ctx, onShop("http_status", map[string]any{"probability": 0.5})))
		require.NoError(t, ctl.AddToxic(ctx, onShop("latency", map[string]any{"latency": 1})))
		require.NoError(t, ctl.UpdateToxic(ctx, onShop("http_status", map[string]any{
			"mode": []string{"abort", "replace"}[round%2],
		})))
		require.NoError(t, ctl.UpdateToxic(ctx, onShop("latency", map[string]any{"latency": 2})))
		for answers.Load() < before+50 {
			_, err := ctl.Counters(ctx)
			require.NoError(t, err)
		}
		require.NoError(t, ctl.RemoveToxic(ctx, "shop", "latency"))
		require.NoError(t, ctl.RemoveToxic(ctx, "shop", "http_status"))
	}
	cancel()
	load.Wait()
	counters, err := ctl.Counters(context.Background())
	require.NoError(t, err)
	require.Len(t, counters, 1)
	assert.Positive(t, injected.Load())
	assert.Equal(t, injected.Load(), counters[0].Injected)
	assert.Zero(t, failed.Load())
}

func TestEmbeddedRefusesBadProxies(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	ctl := newEmbedded(t, nil)
	addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: "127.0.0.1:9"})
	for want, config := range map[string]faults.ProxyConfig{
		"name must not be empty":                {Upstream: "127.0.0.1:9"},
		`name must not start with "continuity`:  {Name: "continuity.x", Upstream: "127.0.0.1:9"},
		`proxy "shop": the name is taken`:       {Name: "shop", Upstream: "127.0.0.1:9"},
		`upstream must be host:port or https:`:  {Name: "a", Upstream: "somewhere"},
		`got "http://127.0.0.1:9"`:              {Name: "b", Upstream: "http://127.0.0.1:9"},
		`got "https://shop/path"`:               {Name: "c", Upstream: "https://shop/path"},
		`listen must be host:port, got "8080"`:  {Name: "d", Upstream: "127.0.0.1:9", Listen: "8080"},
		"clientKey and rewriteLocation are for": {Name: "e", Upstream: "127.0.0.1:9", CAFile: "x"},
		"reading caFile: open /nowhere":         {Name: "f", Upstream: "https://a", CAFile: "/nowhere"},
		"caFile must hold PEM certificates":     {Name: "g", Upstream: "https://a", CAFile: "doc.go"},
		"clientKey must be given together":      {Name: "h", Upstream: "https://a", ClientCert: "x"},
		"reading clientCert: open x":            {Name: "i", Upstream: "https://a", ClientCert: "x", ClientKey: "y"},
		" is in use: choose another with the option listen": {
			Name: "j", Upstream: "127.0.0.1:9", Listen: taken.Addr().String(),
		},
	} {
		_, err := ctl.AddProxy(context.Background(), config)
		require.ErrorContains(t, err, want)
	}
}

func TestEmbeddedRefusesBadToxics(t *testing.T) {
	t.Parallel()
	ctl := newEmbedded(t, nil)
	addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: "127.0.0.1:9"})
	for want, toxic := range map[string]faults.Toxic{
		`toxic "http_status" of proxy "store": proxy "store" does not exist`: {
			Proxy: "store", Type: "http_status",
		},
		`type must be one of bandwidth`: onShop("teapot", nil),
		`status must be between 200 and 599, got 99`: onShop("http_status",
			map[string]any{"status": 99}),
		`http_status: chance is not an attribute; accepted are body, every`: onShop("http_status",
			map[string]any{"chance": 99}),
	} {
		require.ErrorContains(t, ctl.AddToxic(context.Background(), toxic), want)
	}
	require.ErrorIs(t, ctl.UpdateToxic(context.Background(), onShop("http_status", nil)),
		faults.ErrNotFound)
	require.ErrorIs(t, ctl.UpdateToxic(context.Background(), onShop("latency", nil)),
		faults.ErrNotFound)
}

func TestUpstreamThatIsDownIsToldOfOnce(t *testing.T) {
	t.Parallel()
	warned := &messages{}
	ctl, c := newEmbedded(t, warned.add), client(t)
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: "127.0.0.1:9"})
	for range 5 {
		status, _, _ := get(c, shop)
		assert.Zero(t, status)
	}
	require.Len(t, warned.all(), 1)
	assert.True(t, strings.HasPrefix(warned.all()[0],
		`toxiproxy: proxy "shop": Unable to open connection to upstream dial tcp 127.0.0.1:9`),
		warned.all()[0])
}
