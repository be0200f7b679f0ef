package toxics_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// patience is for what must happen on a slow machine; it is never measured.
const patience = 60 * time.Second

// hanging is how long a test with a load may take on a machine that does much else.
const hanging = 8 * time.Minute

// within ends a test that hangs, with the stacks of all goroutines.
func within(tb testing.TB, work func()) {
	tb.Helper()
	timer := time.AfterFunc(hanging, func() {
		buffer := make([]byte, 1<<20)
		panic(tb.Name() + " hangs\n" + string(buffer[:runtime.Stack(buffer, true)]))
	})
	defer timer.Stop()
	work()
}

var rigs atomic.Uint64 //nolint:gochecknoglobals // hubs are found by id across the process

// rig is a toxiproxy in this process with one proxy.
type rig struct {
	proxy *toxiproxy.Proxy
	hub   *toxics.Hub // nil for a plain proxy
}

func newProxy(tb testing.TB, upstream string) *toxiproxy.Proxy {
	tb.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	return toxiproxy.NewProxy(server, "p", "127.0.0.1:0", upstream)
}

// newRig puts a hub in front of an upstream.
func newRig(tb testing.TB, upstream string) *rig {
	tb.Helper()
	toxics.Register()
	r := &rig{
		proxy: newProxy(tb, upstream), hub: toxics.NewHub(fmt.Sprint("rig-", rigs.Add(1))),
	}
	require.NoError(tb, r.hub.Install(r.proxy))
	require.NoError(tb, r.proxy.Start())
	tb.Cleanup(func() {
		r.proxy.Stop()
		r.hub.Close()
	})
	return r
}

// serve starts a service and a rig before it.
func serve(tb testing.TB, handler http.HandlerFunc) *rig {
	tb.Helper()
	service := httptest.NewServer(handler)
	tb.Cleanup(service.Close)
	return newRig(tb, service.Listener.Addr().String())
}

// accept starts a service of bytes and a rig before it.
func accept(tb testing.TB, handle func(net.Conn)) *rig {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(patience))
				handle(conn)
			}()
		}
	}()
	return newRig(tb, listener.Addr().String())
}

func (r *rig) add(tb testing.TB, name, kind, attributes string) {
	tb.Helper()
	require.NoError(tb, r.hub.Add(name, kind, json.RawMessage(attributes)))
}

// counts are those of the first toxic.
func (r *rig) counts() toxics.Counts { return r.hub.Counters()[0].Counts }

// url is a URL at the proxy.
func (r *rig) url(path string) string { return "http://" + r.proxy.Listen + path }

// dial opens a connection to the proxy.
func (r *rig) dial(tb testing.TB) *net.TCPConn {
	tb.Helper()
	conn, err := net.Dial("tcp", r.proxy.Listen)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	require.NoError(tb, conn.SetDeadline(time.Now().Add(patience)))
	return conn.(*net.TCPConn)
}

// client is one with connections of its own.
func client(tb testing.TB, connections int) *http.Client {
	tb.Helper()
	transport := &http.Transport{
		MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// get is a GET with its body.
func get(tb testing.TB, c *http.Client, url string) (*http.Response, string) {
	tb.Helper()
	return do(tb, c, http.MethodGet, url, nil)
}

// do sends a request; headers are pairs.
func do(
	tb testing.TB, c *http.Client, method, url string, body io.Reader, headers ...string,
) (*http.Response, string) {
	tb.Helper()
	request, err := http.NewRequest(method, url, body)
	require.NoError(tb, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(request)
	require.NoError(tb, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(tb, err)
	return response, string(text)
}
