package otlp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func TestBadConfigurationNamesTheOption(t *testing.T) {
	t.Parallel()
	sink := func([]span.Record) {}
	cases := map[string]struct {
		cfg   otlp.Config
		words []string
	}{
		"nothing to listen on": {otlp.Config{Sink: sink}, []string{"listen.grpc", "listen.http"}},
		"no sink":              {otlp.Config{GRPC: "127.0.0.1:0"}, []string{"sink"}},
		"no port":              {otlp.Config{GRPC: "127.0.0.1", Sink: sink}, []string{"listen.grpc", "host:port", `"127.0.0.1"`}},
		"no port, remote":      {otlp.Config{HTTP: "x", Sink: sink, AllowRemote: true}, []string{"listen.http", "host:port"}},
		"every interface":      {otlp.Config{HTTP: ":4318", Sink: sink}, []string{"listen.http", "loopback", "listen.allowRemote"}},
		"another interface":    {otlp.Config{GRPC: "10.0.0.1:1", Sink: sink}, []string{"listen.grpc", `"10.0.0.1:1"`}},
		"negative limit":       {otlp.Config{GRPC: "127.0.0.1:0", Sink: sink, MaxBytes: -1}, []string{"listen.maxBytes", "-1"}},
		"certificate alone":    {otlp.Config{GRPC: "127.0.0.1:0", Sink: sink, TLSCert: "a"}, []string{"listen.tlsCert", "listen.tlsKey"}},
		"no such certificate":  {otlp.Config{GRPC: "127.0.0.1:0", Sink: sink, TLSCert: "no", TLSKey: "no"}, []string{"listen.tlsCert", `"no"`}},
		"token of two lines":   {otlp.Config{GRPC: "127.0.0.1:0", Sink: sink, Token: "a\nb"}, []string{"listen.token"}},
		"no such port":         {otlp.Config{GRPC: "127.0.0.1:99999", Sink: sink}, []string{"listen.grpc"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := otlp.Listen(c.cfg)
			errorWith(t, err, c.words...)
		})
	}
}

func TestAPortInUseNamesThePortAndTheOption(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	defer func() { noError(t, taken.Close()) }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	sink := func([]span.Record) {}
	_, err = otlp.Listen(otlp.Config{GRPC: taken.Addr().String(), Sink: sink})
	errorWith(t, err, "listen.grpc", "port "+port, "already in use")
	_, err = otlp.Listen(otlp.Config{GRPC: "127.0.0.1:0", HTTP: taken.Addr().String(), Sink: sink})
	errorWith(t, err, "listen.http", "port "+port, "already in use")
}

func TestOpenAddressesAreWarnedAbout(t *testing.T) {
	t.Parallel()
	var warnings []string
	listen(t, func(c *otlp.Config) {
		c.HTTP, c.AllowRemote = "0.0.0.0:0", true
		c.OnWarn = func(s string) { warnings = append(warnings, s) }
	})
	equal(t, 1, len(warnings))
}

// certificate writes a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	noError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	noError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	noError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	certFile = filepath.Join(t.TempDir(), "cert.pem")
	keyFile = filepath.Join(t.TempDir(), "key.pem")
	noError(t, os.WriteFile(certFile, certPEM, 0o600))
	noError(t, os.WriteFile(keyFile, keyPEM, 0o600))
	pool = x509.NewCertPool()
	equal(t, true, pool.AppendCertsFromPEM(certPEM))
	return certFile, keyFile, pool
}

func postTLS(address string, secure *tls.Config, body []byte) (int, error) {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: secure, DisableKeepAlives: true,
	}}
	resp, err := client.Post("https://"+address+"/v1/traces", typeProtobuf, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
