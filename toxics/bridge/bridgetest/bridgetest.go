// Package bridgetest has certificates and https services for tests.
package bridgetest

import (
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
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Authority signs certificates for a test.
type Authority struct {
	Cert *x509.Certificate
	File string // PEM
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one with a file of its certificate.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{}
	a.Cert, a.key = a.Sign(tb, "test authority", true)
	a.File = WritePEM(tb, "CERTIFICATE", a.Cert.Raw)
	return a
}

// Sign makes a certificate for a name.
func (a *Authority) Sign(
	tb testing.TB, name string, isCA bool,
) (*x509.Certificate, *ecdsa.PrivateKey) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: isCA, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if a.Cert != nil {
		parent, signer = a.Cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(tb, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	return cert, key
}

// Require makes a service ask its clients for a certificate of the authority.
func (a *Authority) Require(config *tls.Config) {
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(a.Cert)
}

// ClientFiles signs a certificate for a client and writes it and its key.
func (a *Authority) ClientFiles(tb testing.TB, name string) (certFile, keyFile string) {
	tb.Helper()
	cert, key := a.Sign(tb, name, false)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(tb, err)
	return WritePEM(tb, "CERTIFICATE", cert.Raw), WritePEM(tb, "PRIVATE KEY", der)
}

// WritePEM writes a file and returns its path.
func WritePEM(tb testing.TB, kind string, der []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(tb, os.WriteFile(path, text, 0o600))
	return path
}

// Service is an https service under a name of its authority.
type Service struct {
	*httptest.Server
	// What it saw of each request: Host, SNI, protocols, and the client's name.
	Hosts, Names, Protocols, Clients chan string
}

// NewService starts one whose certificate has the name.
func NewService(tb testing.TB, a *Authority, name string, adjust func(*tls.Config)) *Service {
	tb.Helper()
	cert, key := a.Sign(tb, name, false)
	s := &Service{
		Hosts: make(chan string, 100), Names: make(chan string, 100),
		Protocols: make(chan string, 100), Clients: make(chan string, 100),
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			s.Hosts <- r.Host
			s.Names <- r.TLS.ServerName
			s.Protocols <- r.Proto + " " + r.TLS.NegotiatedProtocol
			for _, peer := range r.TLS.PeerCertificates {
				s.Clients <- peer.Subject.CommonName
			}
			body, _ := io.ReadAll(r.Body)
			if to := r.Header.Get("X-Redirect"); to != "" {
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusFound)
			}
			w.Header().Set("X-Method", r.Method)
			w.Header().Set("Content-Type", "text/plain")
			_, _ = fmt.Fprintf(w, "%s %s %s", //nolint:gosec // plain text, to a test
				r.URL.Path, r.Header.Get("Traceparent"), body)
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
	tb.Cleanup(s.Close)
	return s
}

// Upstream names the service localhost, whatever its certificate says.
func (s *Service) Upstream() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "https://" + net.JoinHostPort("localhost", port)
}
