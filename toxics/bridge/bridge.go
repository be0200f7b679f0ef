// Package bridge lets toxics work on the traffic of an https upstream: toxiproxy
// sends a [Bridge] plain HTTP, and the bridge speaks verified TLS to the service.
//
//	load ─ http ─► toxiproxy ─ http ─► bridge ─ https ─► service
//
// Every connection has one of its own to the service: nothing is pooled and
// nothing is sent again. SNI and Host are the upstream's; ALPN offers HTTP/1.1
// alone. All other bytes pass as they come. A service that cannot be reached, or
// whose certificate does not verify, is a response 502 that says why and carries
// `X-Toxic: tls_upstream; mode=abort`, as the service never saw the request.
//
// What the service says about itself stays as it is. A redirect to its own https
// URL therefore leads a client past the toxics, unless [TLS] asks for such
// Location headers to be rewritten, and a cookie with the attribute Secure is one
// that clients do not send over plain HTTP.
package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// dialTimeout bounds connecting to an https upstream, its handshake included.
const dialTimeout = 10 * time.Second

// Config configures a bridge.
type Config struct {
	Name     string       // of the proxy
	Upstream string       // https://host[:port]
	TLS      TLS          // how to speak to it
	Warn     func(string) // told of upstreams that cannot be reached; may be nil
}

// IsURL tells an upstream that needs a bridge, or is wrong, from host:port.
func IsURL(upstream string) bool { return strings.Contains(upstream, "://") }

// Bridge is the way to one https upstream.
type Bridge struct {
	config   Config
	host     string // value of the Host header
	address  string // host:port to connect to
	tls      *tls.Config
	listener net.Listener

	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]struct{}
	failures Failures
	done     sync.WaitGroup
}

// Failures are the connections that had no way to the service.
type Failures struct {
	Count uint64 `json:"count"`
	Last  string `json:"last"` // why
}

// New listens on a free port of the loopback interface. The upstream must be
// https://host[:port]; certificates that cannot be read are errors here.
func New(ctx context.Context, config Config) (*Bridge, error) {
	if config.Warn == nil {
		config.Warn = func(string) {}
	}
	u, err := url.Parse(config.Upstream)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("upstream must be host:port or https://host[:port] without a path, "+
			"got %q", config.Upstream)
	}
	b := &Bridge{config: config, host: u.Host, address: u.Host, conns: make(map[net.Conn]struct{})}
	switch u.Port() {
	case "":
		b.address = net.JoinHostPort(u.Hostname(), "443")
	case "443":
		b.host = u.Hostname()
	}
	if b.tls, err = config.TLS.client(u.Hostname()); err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	if b.listener, err = listen.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening for the https upstream: %w", err)
	}
	b.done.Go(b.accept)
	return b, nil
}

// Addr is where the bridge listens, as host:port.
func (b *Bridge) Addr() string { return b.listener.Addr().String() }

// Close closes all connections and waits for them to end. A nil bridge is
// closed.
func (b *Bridge) Close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.closed = true
	_ = b.listener.Close() // fails only when it is closed
	for conn := range b.conns {
		_ = conn.Close() // ditto
	}
	b.mu.Unlock()
	b.done.Wait()
}

// track closes the connection with the bridge; false means that it is closed.
func (b *Bridge) track(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = conn.Close() // there is nobody to tell
		return false
	}
	b.conns[conn] = struct{}{}
	return true
}

func (b *Bridge) untrack(conn net.Conn) {
	b.mu.Lock()
	delete(b.conns, conn)
	b.mu.Unlock()
	_ = conn.Close() // it may be closed by the other end
}

// Failures tells what went wrong so far; a nil bridge has no failures.
func (b *Bridge) Failures() Failures {
	if b == nil {
		return Failures{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures
}

func (b *Bridge) failed(cause error) {
	b.mu.Lock()
	b.failures = Failures{b.failures.Count + 1, cause.Error()}
	b.mu.Unlock()
	b.config.Warn(cause.Error())
}

func (b *Bridge) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		if b.track(conn) {
			b.done.Go(func() { b.serve(conn) })
		}
	}
}

func (b *Bridge) serve(conn net.Conn) {
	defer b.untrack(conn)
	service, err := b.dial()
	if err != nil {
		b.failed(err)
		b.refuse(conn, err)
		return
	}
	if !b.track(service) {
		return
	}
	defer b.untrack(service)
	var requests sync.WaitGroup
	var asked queue
	requests.Go(func() {
		b.requests(service, conn, &asked)
		_ = service.CloseWrite() // the response may still be on its way
	})
	if b.config.TLS.RewriteLocation {
		b.responses(conn, service, &asked)
	} else {
		_, _ = io.Copy(conn, service) // the client sees where it ends
	}
	_ = conn.Close() // ends the requests as well
	requests.Wait()
}

// dial connects and verifies, so that every failure is known before the first
// request is read.
func (b *Bridge) dial() (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", b.address)
	if err != nil {
		return nil, fmt.Errorf("connecting to upstream %s: %w", b.config.Upstream, err)
	}
	conn := tls.Client(raw, b.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake's error tells more
		return nil, fmt.Errorf("TLS with upstream %s: %w", b.config.Upstream, err)
	}
	return conn, nil
}

// requests passes on what the client sends, with the upstream's Host.
func (b *Bridge) requests(to io.Writer, from io.Reader, asked *queue) {
	passOn(to, from, httpstream.NewRequestParser(), func(h *httpstream.Head) {
		asked.push(b, h)
		h.Set("Host", b.host)
	})
}

// passOn copies a stream of messages, with every head as edit leaves it.
func passOn(
	to io.Writer, from io.Reader, parser *httpstream.Parser, edit func(*httpstream.Head),
) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		for data := buffer[:n]; len(data) > 0; {
			var part httpstream.Part
			if part, data = parser.Next(data); part.Kind == httpstream.KindNone {
				break
			}
			out := part.Data
			if part.Kind == httpstream.KindHead {
				edit(part.Head)
				out = part.Head.Bytes()
			}
			if _, err := to.Write(out); err != nil {
				return
			}
		}
		if err != nil {
			_, _ = to.Write(parser.Pending()) // an incomplete head goes on as it is
			return
		}
	}
}

// refuse answers the first request with what went wrong.
func (b *Bridge) refuse(conn net.Conn, cause error) {
	if conn.SetDeadline(time.Now().Add(dialTimeout)) != nil {
		return // closed meanwhile
	}
	head, err := readHead(conn)
	if err != nil {
		return // nobody asked
	}
	body := "toxiproxy: " + cause.Error() + "\n"
	text := fmt.Sprintf("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Toxic: tls_upstream; mode=abort; name=%s\r\nConnection: close\r\n"+
		"Content-Length: %d\r\n\r\n", url.PathEscape(b.config.Name), len(body))
	if head.Method() != "HEAD" {
		text += body
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return
	}
	// Closing with unread bytes resets the connection before the answer is read.
	if tcp, ok := conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

var errNotHTTP = errors.New("this is not HTTP/1.1")

func readHead(from io.Reader) (*httpstream.Head, error) {
	parser := httpstream.NewRequestParser()
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		for data := buffer[:n]; len(data) > 0; {
			var part httpstream.Part
			part, data = parser.Next(data)
			switch part.Kind {
			case httpstream.KindHead:
				return part.Head, nil
			case httpstream.KindOpaque:
				return nil, errNotHTTP
			default: // incomplete, or an empty line before the request
			}
		}
		if err != nil {
			return nil, fmt.Errorf("reading a request: %w", err)
		}
	}
}
