package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lines is standard output that a test reads while the command runs.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// freePort is a port that nobody listens on now. It is below those that systems choose
// by themselves, so that no connection of another test has it a moment later.
func freePort(t *testing.T) string {
	t.Helper()
	const first, ports = 20_000, 12_000
	for {
		port := strconv.Itoa(first + rand.IntN(ports))
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "toxiproxy.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestServer runs the command with its flags and a configuration file, drives it
// with toxiproxy's own client, and ends it as a signal does.
func TestServer(t *testing.T) {
	t.Parallel()
	service := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "ok")
		}),
		ReadHeaderTimeout: time.Minute,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = service.Serve(listener) }()
	defer func() { _ = service.Close() }()
	port := freePort(t)
	config := configFile(t, fmt.Sprintf(
		`[{"name":"shop","listen":"127.0.0.1:0","upstream":%q}]`, listener.Addr()))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, ended := &lines{}, make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{
			"-host", "127.0.0.1", "-port", port, "-config", config, "-seed", "9",
			"-proxy-metrics", "-runtime-metrics",
		}, out)
	}()
	client := toxiproxy.NewClient("127.0.0.1:" + port)
	require.Eventually(t, func() bool { _, err := client.Version(); return err == nil },
		time.Minute, 10*time.Millisecond, out)
	assert.Contains(t, out.String(), "Populated proxies from file")
	require.NoError(t, run(ctx, []string{"-host", "127.0.0.1", "-port", port, "-healthcheck"}, io.Discard))

	proxy, err := client.Proxy("shop")
	require.NoError(t, err)
	added, err := proxy.AddToxic("down", "http_status", "", 1, nil)
	require.NoError(t, err)
	assert.InDelta(t, 9, added.Attributes["seed"], 0, "of -seed")
	get := func(url string) (int, string) {
		response, err := http.Get(url)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(text)
	}
	status, _ := get("http://" + proxy.Listen)
	assert.Equal(t, 503, status)
	_, text := get("http://127.0.0.1:" + port + "/metrics")
	assert.Contains(t, text, `toxiproxy_http_toxic_injected_total{phase="",proxy="shop",toxic="down",type="http_status"} 1`)
	assert.Contains(t, text, "go_goroutines")
	http.DefaultClient.CloseIdleConnections()

	err = run(ctx, []string{"-host", "127.0.0.1", "-port", port}, io.Discard)
	require.ErrorContains(t, err, "listening on -host 127.0.0.1 -port "+port)
	require.ErrorContains(t, err, "address already in use")
	stop()
	require.NoError(t, <-ended)
	_, err = net.Dial("tcp", proxy.Listen)
	require.Error(t, err, "its proxies are closed")
	err = run(t.Context(), []string{"-host", "127.0.0.1", "-port", port, "-healthcheck"}, io.Discard)
	require.ErrorContains(t, err, "checking http://127.0.0.1:"+port+"/version")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	out := &lines{}
	require.NoError(t, run(t.Context(), []string{"-version"}, out))
	assert.Regexp(t, `^toxiproxy-server version \S+ with HTTP toxics\n$`, out.String())
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"flag provided but not defined: -prot":            {"-prot", "1"},
		`arguments must be flags, got "serve"`:            {"serve"},
		`invalid value "x" for flag -seed`:                {"-seed", "x"},
		"reading -config: open /nowhere: no such file":    {"-config", "/nowhere"},
		": bad request body":                              {"-config", configFile(t, "{")},
		"missing required field: name at proxy 1":         {"-config", configFile(t, `[{"upstream":"a:1"}]`)},
		"missing required field: upstream at proxy 2":     {"-config", configFile(t, `[{"name":"a","upstream":"b:1"},{"name":"c"}]`)},
		`proxy "a": listen tcp`:                           {"-config", configFile(t, `[{"name":"a","upstream":"b:1","listen":"192.0.2.1:1"}]`)},
		"reading tls.ca: open /nowhere: no such file":     {"-config", configFile(t, `[{"name":"a","upstream":"https://b","tls":{"ca":"/nowhere"}}]`)},
		"listening on -host 127.0.0.1 -port nowhere: lis": {"-host", "127.0.0.1", "-port", "nowhere"},
	} {
		err := run(t.Context(), args, io.Discard)
		require.ErrorContains(t, err, want, args)
	}
}

func TestLogLevel(t *testing.T) {
	t.Setenv("LOG_LEVEL", "loud")
	require.EqualError(t, run(t.Context(), nil, io.Discard),
		`LOG_LEVEL must be trace, debug, info, warn, error or disabled, got "loud"`)
}
