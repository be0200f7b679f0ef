package bridge_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/toxics/bridge"
	"github.com/xk6-continuity/xk6-continuity/toxics/bridge/bridgetest"
)

// TestBridgeKeepsWhatItDoesNotChange compares bytes, with requests in one piece
// and cut at every place.
func TestBridgeKeepsWhatItDoesNotChange(t *testing.T) {
	t.Parallel()
	a := bridgetest.NewAuthority(t)
	cert, key := a.Sign(t, "localhost", false)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	b, err := bridge.New(t.Context(), bridge.Config{
		Upstream: "https://localhost:" + port, TLS: bridge.TLS{CA: a.File},
	})
	require.NoError(t, err)
	defer b.Close()
	const body = "5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
	request := "POST /a HTTP/1.1\r\nhOsT: old\r\nX-A:  b \r\nTransfer-Encoding: chunked\r\n\r\n" + body +
		"GET /b HTTP/1.1\r\nHost: old\r\n\r\n"
	want := "POST /a HTTP/1.1\r\nX-A:  b \r\nTransfer-Encoding: chunked\r\nHost: localhost:" + port +
		"\r\n\r\n" + body + "GET /b HTTP/1.1\r\nHost: localhost:" + port + "\r\n\r\n"
	const answer = "HTTP/1.1 200 fine\r\nx-odd :1\r\n\r\nuntil the end"
	for cut := range len(request) {
		conn, err := net.Dial("tcp", b.Addr())
		require.NoError(t, err)
		go func() {
			_, _ = io.WriteString(conn, request[:cut])
			_, _ = io.WriteString(conn, request[cut:])
		}()
		service, err := listener.Accept()
		require.NoError(t, err)
		got := make([]byte, len(want))
		_, err = io.ReadFull(service, got)
		require.NoError(t, err)
		require.Equal(t, want, string(got), "cut at %d", cut)
		_, err = io.WriteString(service, answer)
		require.NoError(t, err)
		require.NoError(t, service.Close())
		text, err := io.ReadAll(bufio.NewReader(conn))
		require.NoError(t, err)
		require.Equal(t, answer, string(text))
		require.NoError(t, conn.Close())
	}
}

// ask sends a GET over connections of its own and returns status, Location and body.
func ask(t *testing.T, url string, headers ...string) (status int, location, body string) {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header.Get("Location"), string(text)
}

func newBridge(t *testing.T, upstream string, tls bridge.TLS) string {
	t.Helper()
	b, err := bridge.New(t.Context(), bridge.Config{Name: "b", Upstream: upstream, TLS: tls})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b.Addr()
}

func TestBridgeClosesItsConnections(t *testing.T) {
	t.Parallel()
	a := bridgetest.NewAuthority(t)
	s := bridgetest.NewService(t, a, "localhost", nil)
	b, err := bridge.New(t.Context(), bridge.Config{
		Upstream: s.Upstream(), TLS: bridge.TLS{CA: a.File},
	})
	require.NoError(t, err)
	status, _, body := ask(t, "http://"+b.Addr())
	require.Equal(t, 200, status, body)
	b.Close() // returns although a connection is kept open
	status, _, _ = ask(t, "http://"+b.Addr())
	assert.Zero(t, status)
	(*bridge.Bridge)(nil).Close()
}

// TestLocations: a redirect of the upstream to itself stays as it is, or becomes
// one to the proxy by option; others stay in any case.
func TestLocations(t *testing.T) {
	t.Parallel()
	a := bridgetest.NewAuthority(t)
	s := bridgetest.NewService(t, a, "localhost", nil)
	text, err := os.ReadFile(a.File)
	require.NoError(t, err)
	plain := newBridge(t, s.Upstream(), bridge.TLS{CA: string(text)})
	rewriting := newBridge(t, s.Upstream(), bridge.TLS{CA: a.File, RewriteLocation: true})
	port := s.Upstream()[len("https://localhost:"):]
	for location, want := range map[string]string{
		s.Upstream() + "/a?b=c#d":               "http://shop.test:1/a?b=c#d",
		s.Upstream():                            "http://shop.test:1",
		s.Upstream() + "?q":                     "http://shop.test:1?q",
		"HTTPS://LocalHost:" + port + "/%2e%41": "http://shop.test:1/%2e%41",
		"/relative":                             "/relative",
		"//localhost:" + port + "/":             "//localhost:" + port + "/",
		"http://localhost:" + port + "/":        "http://localhost:" + port + "/",
		"https://localhost/":                    "https://localhost/",
		"https://elsewhere:" + port + "/":       "https://elsewhere:" + port + "/",
		"https://u@localhost:" + port + "/":     "https://u@localhost:" + port + "/",
		"https://[::1%25e]:1/":                  "https://[::1%25e]:1/",
		"%zz":                                   "%zz",
	} {
		status, got, body := ask(t, "http://"+plain, "X-Redirect", location)
		assert.Equal(t, 302, status, body)
		assert.Equal(t, location, got)
		conn, err := net.Dial("tcp", rewriting)
		require.NoError(t, err)
		_, err = io.WriteString(conn, "HEAD /first HTTP/1.1\r\nHost: other\r\n\r\n"+
			"GET / HTTP/1.1\r\nHost: shop.test:1\r\nX-Redirect: "+location+"\r\n\r\n"+
			"GET /last HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		reader := bufio.NewReader(conn)
		for i, method := range []string{"HEAD", "GET", "GET"} {
			response, err := http.ReadResponse(reader, &http.Request{Method: method})
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			if i == 1 {
				assert.Equal(t, want, response.Header.Get("Location"))
			}
		}
		_, err = reader.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, conn.Close())
	}
}

func TestBadBridges(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]bridge.Config{
		`upstream must be host:port or https://host[:port] without a path, got "ftp://a"`: {Upstream: "ftp://a"},
		`got "https://a/b"`:                             {Upstream: "https://a/b"},
		"reading tls.ca: open /nowhere":                 {Upstream: "https://a", TLS: bridge.TLS{CA: "/nowhere"}},
		"tls.ca must hold PEM certificates, got none":   {Upstream: "https://a", TLS: bridge.TLS{CA: "bridge.go"}},
		"must be given together, got one of them":       {Upstream: "https://a", TLS: bridge.TLS{ClientCert: "x"}},
		"reading tls.client_cert: open /nowhere":        {Upstream: "https://a", TLS: bridge.TLS{ClientCert: "/nowhere", ClientKey: "bridge.go"}},
		"reading tls.client_key: open /nowhere":         {Upstream: "https://a", TLS: bridge.TLS{ClientCert: "bridge.go", ClientKey: "/nowhere"}},
		"reading tls.client_cert and tls.client_key: t": {Upstream: "https://a", TLS: bridge.TLS{ClientCert: "bridge.go", ClientKey: "bridge.go"}},
	} {
		_, err := bridge.New(t.Context(), config)
		require.ErrorContains(t, err, want)
	}
}
