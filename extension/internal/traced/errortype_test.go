package traced

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// listen runs handle for every connection of a loopback port.
func listen(tb testing.TB, handle func(*net.TCPConn)) (address string) {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go handle(conn.(*net.TCPConn))
		}
	}()
	return listener.Addr().String()
}

// rawServer reads one request per connection and answers with bytes.
func rawServer(tb testing.TB, answer string) (url string) {
	tb.Helper()
	return "http://" + listen(tb, func(conn *net.TCPConn) {
		defer func() { _ = conn.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, answer)
		}
	})
}

// reset closes a connection with RST.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// nameless is a resolver whose server, on loopback, knows no name.
func nameless(tb testing.TB) *net.Resolver {
	tb.Helper()
	server, err := (&net.ListenConfig{}).ListenPacket(tb.Context(), "udp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = server.Close() })
	go func() {
		packet := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			packet[2], packet[3] = 0x81, 0x83 // an answer: no such name (RFC 1035 section 4.1.1)
			_, _ = server.WriteTo(packet[:n], from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// deadline is a context whose deadline passes when it is told to.
type deadline struct {
	context.Context
	passed chan struct{}
}

func (d deadline) Done() <-chan struct{} { return d.passed }

func (d deadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestErrorTypeOfTimeouts(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/body" {
			_, _ = io.WriteString(w, "partial")
			_ = http.NewResponseController(w).Flush()
		}
		arrived <- struct{}{}
		<-req.Context().Done()
	})
	for path, outcome := range map[string]span.Outcome{
		"/": span.OutcomeSentFailed, "/body": span.OutcomeAnswered,
	} {
		r := newRig(t, nil)
		ctx := deadline{t.Context(), make(chan struct{})}
		op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
		req := request(t, "GET", server.URL+path).WithContext(ctx)
		if path == "/" {
			go func() {
				<-arrived
				close(ctx.passed)
			}()
		}
		resp, err := op.Transport(r.base, 1, 0).RoundTrip(req)
		if path == "/body" {
			require.NoError(t, err)
			<-arrived
			close(ctx.passed)
			_, err = io.ReadAll(resp.Body)
			require.NoError(t, resp.Body.Close())
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		op.End(err)
		assert.Equal(t, outcome, r.attempt().Outcome)
		assert.Equal(t, "timeout", r.attempt().ErrorType)
		has(t, attributesOf(r.one().Attributes), "error.type", "timeout")
		assert.Equal(t, codes.Error, r.one().Status.Code)
		assert.Equal(t, "context deadline exceeded", r.one().Status.Description)
	}
}

func TestErrorTypeOfRealFailures(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	plain := newEcho(t)
	for _, tt := range []struct {
		name, url, want string
		outcome         span.Outcome
	}{
		{"a name that does not exist", "http://no-such-host.invalid/", "dns", span.OutcomeNotSent},
		{"nobody listens", "http://" + loopbacktest.Address(t), "connection_refused", span.OutcomeNotSent},
		{"a reset after the request", "http://" + listen(t, func(c *net.TCPConn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			reset(c)
		}), "connection_reset", span.OutcomeSentFailed},
		{"closed without an answer", rawServer(t, ""), "connection_reset", span.OutcomeSentFailed},
		{"an untrusted certificate", untrusted.URL, "tls", span.OutcomeNotSent},
		{"no TLS behind https", "https://" + hostPort(plain.URL), "tls", span.OutcomeNotSent},
		{
			"a body cut short", rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"),
			"body_read", span.OutcomeAnswered,
		},
		{
			"a body that breaks its chunks", rawServer(t,
				"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
			"body_read", span.OutcomeAnswered,
		},
		{"a body that is reset", "http://" + listen(t, func(c *net.TCPConn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")
			reset(c)
		}), "body_read", span.OutcomeAnswered},
		{"no HTTP", rawServer(t, "SMTP is not HTTP\r\n\r\n"), "protocol", span.OutcomeSentFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.base.DialContext = (&net.Dialer{Resolver: nameless(t)}).DialContext
			op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", tt.url))
			err := r.through(op, request(t, "GET", tt.url))
			require.Error(t, err)
			op.End(err)
			got := r.one()
			has(t, attributesOf(got.Attributes), "error.type", tt.want)
			assert.Equal(t, codes.Error, got.Status.Code)
			assert.NotEmpty(t, got.Status.Description)
			assert.Empty(t, got.Events, "no exception event")
			assert.Equal(t, tt.want, r.attempt().ErrorType)
			assert.Equal(t, tt.outcome, r.attempt().Outcome)
			operations := r.spans(trace.SpanKindInternal)
			require.Len(t, operations, 1)
			assert.Equal(t, codes.Error, operations[0].Status.Code)
		})
	}
}

func TestErrorTypeTooManyRedirectsIsTheOperations(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "/?sig=secret", http.StatusFound)
	})
	r := newRig(t, nil)
	err := r.send(ClientConfig{}, request(t, "GET", server.URL))
	require.Error(t, err)
	for _, hop := range r.spans(trace.SpanKindClient) {
		hasNot(t, attributesOf(hop.Attributes), "error.type")
		assert.Equal(t, codes.Unset, hop.Status.Code)
	}
	operations := r.spans(trace.SpanKindInternal)
	require.Len(t, operations, 1)
	has(t, attributesOf(operations[0].Attributes), "error.type", "too_many_redirects")
	assert.Equal(t, "stopped after 10 redirects", operations[0].Status.Description,
		"the description must not hold the URL")
}

func TestErrorTypeTLSOfARefusedClientCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	r := newRig(t, nil)
	r.base = server.Client().Transport.(*http.Transport)
	err := r.send(ClientConfig{}, request(t, "GET", server.URL))
	require.Error(t, err)
	has(t, attributesOf(r.one().Attributes), "error.type", "tls")
}

func TestInterruptionIsUnsetAndAScriptTimeoutIsAnError(t *testing.T) {
	t.Parallel()
	silent := serve(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	for _, tt := range []struct {
		name      string
		interrupt func(context.Context) (context.Context, context.CancelFunc)
		errorType string
	}{
		{"k6 cancels the iteration", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			timer := time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, func() { timer.Stop(); cancel() }
		}, ""},
		{"the scenario's deadline ends it", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, ""},
		{"the script's own timeout", nil, "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			vu := t.Context()
			if tt.interrupt != nil {
				var cancel context.CancelFunc
				vu, cancel = tt.interrupt(vu)
				defer cancel()
			}
			timeout := time.Minute
			if tt.errorType != "" {
				timeout = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(vu, timeout)
			defer cancel()
			op := r.client(ClientConfig{}).Start(vu, operation("GET", silent.URL))
			err := r.through(op, request(t, "GET", silent.URL).WithContext(ctx))
			require.Error(t, err)
			op.End(err)
			assert.Equal(t, tt.errorType, r.attempt().ErrorType)
			for _, s := range append(r.spans(trace.SpanKindClient), r.spans(trace.SpanKindInternal)...) {
				if tt.errorType == "" {
					assert.Equal(t, codes.Unset, s.Status.Code)
					assert.Empty(t, s.Status.Description)
					hasNot(t, attributesOf(s.Attributes), "error.type")
				} else {
					assert.Equal(t, codes.Error, s.Status.Code)
					has(t, attributesOf(s.Attributes), "error.type", tt.errorType)
				}
			}
		})
	}
}
