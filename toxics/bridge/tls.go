package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// TLS is how a bridge speaks to its upstream. A certificate or key is PEM text, or
// the path of a file with it.
type TLS struct {
	CA         string `json:"ca,omitempty"` // certificate authorities; default: the system's
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"` //nolint:gosec // it is sent to be used
	// RewriteLocation turns Location headers that lead to the upstream itself into
	// URLs of the proxy, as the client named it in Host.
	RewriteLocation bool `json:"rewrite_location,omitempty"`
}

// client verifies the service by its name.
func (t *TLS) client(name string) (*tls.Config, error) {
	out := &tls.Config{
		ServerName: name, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
	}
	if t.CA != "" {
		text, err := readPEM("ca", t.CA)
		if err != nil {
			return nil, err
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("tls.ca must hold PEM certificates, got none")
		}
	}
	if (t.ClientCert == "") != (t.ClientKey == "") {
		return nil, errors.New("tls.client_cert and tls.client_key must be given together, " +
			"got one of them")
	}
	if t.ClientCert == "" {
		return out, nil
	}
	cert, err := readPEM("client_cert", t.ClientCert)
	if err != nil {
		return nil, err
	}
	key, err := readPEM("client_key", t.ClientKey)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading tls.client_cert and tls.client_key: %w", err)
	}
	out.Certificates = []tls.Certificate{pair}
	return out, nil
}

// readPEM returns the text itself, or that of the file which it names.
func readPEM(field, value string) ([]byte, error) {
	if strings.Contains(value, "-----BEGIN ") {
		return []byte(value), nil
	}
	text, err := os.ReadFile(value) //nolint:gosec // the file that the user named
	if err != nil {
		return nil, fmt.Errorf("reading tls.%s: %w", field, err)
	}
	return text, nil
}
