package traced

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsOptions is what OTEL_EXPORTER_OTLP_CERTIFICATE, CLIENT_KEY and
// CLIENT_CERTIFICATE ask for; the zero value trusts the system's authorities.
type tlsOptions struct {
	authorities *x509.CertPool
	own         []tls.Certificate
}

func (o *tlsOptions) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: o.authorities, Certificates: o.own,
	}
}

// tls reads the PEM files that the environment names.
func (e environment) tls() tlsOptions {
	var out tlsOptions
	if name, path := e.signal("CERTIFICATE"); path != "" {
		pool := x509.NewCertPool()
		pem, err := os.ReadFile(path) //nolint:gosec // the user names the file
		switch {
		case err != nil:
			e.warn(fmt.Sprintf("%s: %v: the system's authorities are used", name, err))
		case !pool.AppendCertsFromPEM(pem):
			e.invalid(name, path, "a file of PEM certificates", "the system's authorities are used")
		default:
			out.authorities = pool
		}
	}
	certificateName, certificate := e.signal("CLIENT_CERTIFICATE")
	keyName, key := e.signal("CLIENT_KEY")
	switch {
	case certificate == "" && key == "":
	case certificate == "" || key == "":
		e.warn(fmt.Sprintf("%s and %s must be set both: no client certificate is sent",
			certificateName, keyName))
	default:
		own, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			e.warn(fmt.Sprintf("%s and %s: %v: no client certificate is sent",
				certificateName, keyName, err))
			break
		}
		out.own = []tls.Certificate{own}
	}
	return out
}
