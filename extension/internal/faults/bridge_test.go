package faults_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = a.sign(t, "test authority", true)
	a.file = writePEM(t, "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(t *testing.T, name string, isCA bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: isCA, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// secure is an https service under a name of its authority.
type secure struct {
	*httptest.Server
	hosts, names, protocols, clients chan string
}

func newSecure(t *testing.T, a *authority, name string, adjust func(*tls.Config)) *secure {
	t.Helper()
	cert, key := a.sign(t, name, false)
	s := &secure{
		hosts: make(chan string, 100), names: make(chan string, 100),
		protocols: make(chan string, 100), clients: make(chan string, 100),
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			s.hosts <- r.Host
			s.names <- r.TLS.ServerName
			s.protocols <- r.Proto + " " + r.TLS.NegotiatedProtocol
			for _, peer := range r.TLS.PeerCertificates {
				s.clients <- peer.Subject.CommonName
			}
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Method", r.Method)
			_, _ = fmt.Fprintf(w, "%s %s %s", r.URL.Path, r.Header.Get("Traceparent"), body)
		}))
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		NextProtos:   []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	if adjust != nil {
		adjust(s.TLS)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// upstream names the service localhost, whatever its certificate says.
func (s *secure) upstream() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "https://" + net.JoinHostPort("localhost", port)
}

func TestHTTPSUpstream(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSecure(t, a, "localhost", nil)
	ctl, c := newEmbedded(t, nil), client(t)
	upstream := s.upstream()
	shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream, CAFile: a.file})
	for range 3 {
		resp, err := c.Post(shop+"/cart", "text/plain", strings.NewReader("body"))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, "/cart  body", string(body))
		assert.Equal(t, strings.TrimPrefix(upstream, "https://"), <-s.hosts, "Host of the upstream")
		assert.Equal(t, "localhost", <-s.names, "SNI of the upstream")
		assert.Equal(t, "HTTP/1.1 http/1.1", <-s.protocols)
	}
	// Toxics see plain HTTP.
	require.NoError(t, ctl.AddToxic(context.Background(), onShop("http_status", nil)))
	status, mark, _ := get(c, shop)
	assert.Equal(t, 503, status)
	assert.Equal(t, "http_status; mode=abort; name=http_status", mark)
	assert.Empty(t, s.hosts)
}

func TestHTTPSUpstreamWithAClientCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSecure(t, a, "localhost", func(config *tls.Config) {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AddCert(a.cert)
	})
	cert, key := a.sign(t, "the load", false)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	ctl, c := newEmbedded(t, nil), client(t)
	with := addProxy(t, ctl, faults.ProxyConfig{
		Name: "with", Upstream: s.upstream(), CAFile: a.file,
		ClientCert: writePEM(t, "CERTIFICATE", cert.Raw), ClientKey: writePEM(t, "PRIVATE KEY", der),
	})
	status, _, body := get(c, with)
	assert.Equal(t, 200, status, body)
	assert.Equal(t, "the load", <-s.clients)
}

// TestHTTPSUpstreamThatDoesNotVerify: the response says why, and is known to be
// no answer of the service.
func TestHTTPSUpstreamThatDoesNotVerify(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, local := newSecure(t, a, "shop.example", nil), newSecure(t, a, "localhost", nil)
	for name, config := range map[string]faults.ProxyConfig{
		"certificate signed by unknown authority": {Upstream: local.upstream()},
		"certificate is valid for shop.example, not localhost": {
			Upstream: s.upstream(), CAFile: a.file,
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
		assert.Contains(t, warned.all()[0], `proxy "my shop": `)
		assert.Contains(t, warned.all()[0], name)
	}
	assert.Empty(t, s.hosts, "the services saw no request")
	assert.Empty(t, local.hosts, "the services saw no request")
}

// TestBridgeKeepsWhatItDoesNotChange compares bytes, with requests in one piece
// and cut at every place.
func TestBridgeKeepsWhatItDoesNotChange(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.sign(t, "localhost", false)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	bridge, err := faults.NewBridge(context.Background(), faults.BridgeConfig{
		ProxyConfig: faults.ProxyConfig{Upstream: "https://localhost:" + port, CAFile: a.file},
	})
	require.NoError(t, err)
	defer bridge.Close()
	const body = "5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
	request := "POST /a HTTP/1.1\r\nhOsT: old\r\nX-A:  b \r\nTransfer-Encoding: chunked\r\n\r\n" + body +
		"GET /b HTTP/1.1\r\nHost: old\r\n\r\n"
	want := "POST /a HTTP/1.1\r\nX-A:  b \r\nTransfer-Encoding: chunked\r\nHost: localhost:" + port +
		"\r\n\r\n" + body + "GET /b HTTP/1.1\r\nHost: localhost:" + port + "\r\n\r\n"
	const answer = "HTTP/1.1 200 fine\r\nx-odd :1\r\n\r\nuntil the end"
	for cut := range len(request) {
		conn, err := net.Dial("tcp", bridge.Addr())
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

func TestBridgeClosesItsConnections(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSecure(t, a, "localhost", nil)
	bridge, err := faults.NewBridge(context.Background(), faults.BridgeConfig{
		ProxyConfig: faults.ProxyConfig{Upstream: s.upstream(), CAFile: a.file},
	})
	require.NoError(t, err)
	c := client(t)
	status, _, body := get(c, "http://"+bridge.Addr())
	require.Equal(t, 200, status, body)
	bridge.Close() // returns although a connection is kept open
	status, _, _ = get(c, "http://"+bridge.Addr())
	assert.Zero(t, status)
	(*faults.Bridge)(nil).Close()
}
