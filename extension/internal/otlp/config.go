package otlp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// DefaultMaxBytes is the default limit for one request after decompression.
const DefaultMaxBytes = 64 << 20

// Bounds on what senders can make the receiver hold. At most maxReceiving
// requests are being read at a time, each of at most Config.MaxBytes, and as
// many are unpacked as there are workers.
const (
	maxReceiving   = 32
	maxConnections = 512 // per listener; further ones wait to be accepted
	maxStreams     = 16  // concurrent gRPC requests per connection
	maxHeaderBytes = 64 << 10
)

// Time limits for senders.
const (
	handshakeTimeout = 5 * time.Second  // connection opened to headers complete
	receiveTimeout   = 10 * time.Second // first to last byte of a request's body
	admissionTimeout = 2 * time.Second  // waiting for a place before "try again"
	idleTimeout      = 2 * time.Minute  // connection without a request
	retryAfter       = time.Second      // what "try again" asks senders to wait
)

// Config says where to listen and what to do with the spans. Its JavaScript
// names, used in messages, are listen.grpc, listen.http and so on.
type Config struct {
	GRPC        string // host:port, port 0 picks a free one; empty is off
	HTTP        string // host:port, port 0 picks a free one; empty is off
	AllowRemote bool   // accept listen addresses other than loopback
	MaxBytes    int64  // limit of one request after decompression; 0 means DefaultMaxBytes
	TLSCert     string // PEM file; both or none of TLSCert and TLSKey
	TLSKey      string // PEM file
	Token       string // bearer token that senders must present; empty asks for none

	// Sink takes the received spans, from several goroutines at a time. The
	// slice is reused after it returns.
	Sink func([]span.Record)
	// OnWarn takes what the user should hear about, once per cause; may be nil.
	OnWarn func(string)

	receiveTimeout   time.Duration // for tests; zero means receiveTimeout
	admissionTimeout time.Duration // for tests; zero means admissionTimeout
}

// normalize validates the configuration and fills in defaults.
func (c *Config) normalize() error {
	if c.GRPC == "" && c.HTTP == "" {
		return errors.New("listen.grpc and listen.http must not both be empty")
	}
	if c.Sink == nil {
		return errors.New("a sink for the received spans is required")
	}
	if c.MaxBytes < 0 {
		return fmt.Errorf("listen.maxBytes must be positive, got %d", c.MaxBytes)
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("listen.tlsCert and listen.tlsKey must be set together")
	}
	if strings.ContainsAny(c.Token, "\r\n") {
		return errors.New("listen.token must be a single line")
	}
	if c.OnWarn == nil {
		c.OnWarn = func(string) {}
	}
	if c.receiveTimeout == 0 {
		c.receiveTimeout = receiveTimeout
	}
	if c.admissionTimeout == 0 {
		c.admissionTimeout = admissionTimeout
	}
	for _, l := range []struct{ option, address string }{
		{"listen.grpc", c.GRPC}, {"listen.http", c.HTTP},
	} {
		if err := c.checkAddress(l.option, l.address); err != nil {
			return err
		}
	}
	return nil
}

// checkAddress refuses an address that is malformed, or open to other
// machines without having been asked for.
func (c *Config) checkAddress(option, address string) error {
	if address == "" || c.AllowRemote && validAddress(option, address) == nil {
		return nil
	}
	return checkLoopback(option, address)
}

// validAddress refuses what is not host:port.
func validAddress(option, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s must be host:port, got %q: %w", option, address, err)
	}
	return nil
}

// checkLoopback refuses an address that other machines can reach.
func checkLoopback(option, address string) error {
	if address == "" {
		return nil
	}
	if err := validAddress(option, address); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(address)
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s must be a loopback address (127.0.0.1, [::1] or localhost), got %q: "+
		"set listen.allowRemote to accept spans from other machines", option, address)
}

// tlsConfig loads the certificate; nil without one.
func (c *Config) tlsConfig() (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil //nolint:nilnil // no TLS is a valid answer
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("loading listen.tlsCert %q and listen.tlsKey %q: %w",
			c.TLSCert, c.TLSKey, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
