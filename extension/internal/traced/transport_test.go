package traced

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dying answers the first request of its first connection, and closes that
// connection when it has read the second one: the transport sends it again.
func dying(t *testing.T, seen *sync.Map) string {
	t.Helper()
	var once sync.Once
	return listen(t, func(c *net.TCPConn) {
		defer func() { _ = c.Close() }()
		first := false
		once.Do(func() { first = true })
		reader := bufio.NewReader(c)
		for n := 1; ; n++ {
			req, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			key := req.Header.Get("Traceparent")
			count, _ := seen.LoadOrStore(key, 0)
			seen.Store(key, count.(int)+1)
			if first && n == 2 {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
}

func TestTransportResendsAreRecorded(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	r := newRig(t, nil)
	url := "http://" + dying(t, &seen)
	r.get(ClientConfig{}, url)
	r.get(ClientConfig{}, url)
	attempts, clients := r.sink.all(), r.spans(trace.SpanKindClient)
	require.Len(t, attempts, 2)
	require.Len(t, clients, 2, "a re-send of the transport is no span of its own")
	assert.Equal(t, uint16(1), attempts[0].Sends)
	assert.Equal(t, uint16(2), attempts[1].Sends)
	assert.Equal(t, uint16(200), attempts[1].Status)
	hasNot(t, attributesOf(clients[0].Attributes), "continuity.sends")
	has(t, attributesOf(clients[1].Attributes), "continuity.sends", int64(2))
	count, _ := seen.Load("00-" + attempts[1].TraceID.String() + "-" + attempts[1].SpanID.String() + "-01")
	assert.Equal(t, 2, count, "the server saw the same traceparent twice")
}

func TestSwitchingProtocolsKeepsTheConnectionUsable(t *testing.T) {
	t.Parallel()
	url := "http://" + listen(t, func(c *net.TCPConn) {
		defer func() { _ = c.Close() }()
		reader := bufio.NewReader(c)
		if _, err := http.ReadRequest(reader); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, reader)
	})
	r := newRig(t, nil)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", url))
	req := request(t, "GET", url)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := op.Transport(r.base, 1, 0).RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, uint16(101), r.attempt().Status, "the round trip is over with the headers")
	conn, ok := resp.Body.(io.ReadWriteCloser)
	require.True(t, ok, "the body can still be written to")
	_, err = io.WriteString(conn, "ping")
	require.NoError(t, err)
	answer := make([]byte, 4)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	assert.Equal(t, "ping", string(answer))
	require.NoError(t, resp.Body.Close())
	op.End(nil)
	assert.Equal(t, codes.Unset, r.one().Status.Code)
}

func TestHeadIsOneAttempt(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("HEAD", server.URL))
	resp, err := op.Transport(r.base, 1, 0).RoundTrip(request(t, "HEAD", server.URL))
	require.NoError(t, err)
	assert.Equal(t, uint16(200), r.attempt().Status, "there is no body to wait for")
	require.NoError(t, resp.Body.Close())
	op.End(nil)
	assert.Equal(t, "HEAD", r.one().Name)
}

// logger is an httptrace that writes down what it is told.
func logger(log func(string)) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(string) { log("GetConn") },
		GotConn:              func(httptrace.GotConnInfo) { log("GotConn") },
		PutIdleConn:          func(error) { log("PutIdleConn") },
		GotFirstResponseByte: func() { log("GotFirstResponseByte") },
		Got1xxResponse:       func(int, textproto.MIMEHeader) error { log("Got1xxResponse"); return nil },
		DNSStart:             func(httptrace.DNSStartInfo) { log("DNSStart") },
		DNSDone:              func(httptrace.DNSDoneInfo) { log("DNSDone") },
		ConnectStart:         func(string, string) { log("ConnectStart") },
		ConnectDone:          func(string, string, error) { log("ConnectDone") },
		TLSHandshakeStart:    func() { log("TLSHandshakeStart") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { log("TLSHandshakeDone") },
		WroteHeaderField:     func(string, []string) { log("WroteHeaderField") },
		WroteHeaders:         func() { log("WroteHeaders") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { log("WroteRequest") },
	}
}

func TestCallersConnectionHooksAreCalledAsWithoutUs(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(server.Close)
	events := func(transport http.RoundTripper) map[string]bool {
		var mu sync.Mutex
		got := make(map[string]bool)
		ctx := httptrace.WithClientTrace(t.Context(), logger(func(event string) {
			mu.Lock()
			defer mu.Unlock()
			got[event] = true
		}))
		resp, err := transport.RoundTrip(request(t, "GET", server.URL).WithContext(ctx))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		mu.Lock()
		defer mu.Unlock()
		delete(got, "PutIdleConn") // comes when it likes
		return got
	}
	base := func() *http.Transport {
		b := server.Client().Transport.(*http.Transport).Clone()
		t.Cleanup(b.CloseIdleConnections)
		return b
	}
	bare := events(base())
	assert.Len(t, bare, 11, "%v", bare)
	r := newRig(t, nil)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	ours := events(op.Transport(base(), 1, 0))
	op.End(nil)
	delete(ours, "WroteHeaderField") // counted with our own headers, once or more
	delete(bare, "WroteHeaderField")
	assert.Equal(t, bare, ours)
	assert.Positive(t, r.attempt().TLS)
}

func TestOperationThatEndsWhileItsRequestIsUnderWay(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		close(arrived)
		<-req.Context().Done()
	})
	r := newRig(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	done := make(chan error)
	req := request(t, "GET", server.URL).WithContext(ctx)
	go func() { done <- r.through(op, req) }()
	<-arrived
	op.End(nil)
	a := r.attempt()
	assert.Equal(t, span.OutcomeSentFailed, a.Outcome)
	assert.Empty(t, a.ErrorType, "an interruption is no error")
	id := a.TraceID.String()
	assert.Equal(t, []string{"open " + id, "attempt " + id, "close " + id}, r.sink.events)
	cancel()
	require.Error(t, <-done)
	assert.Len(t, r.sink.all(), 1, "it is recorded once")
	assert.Equal(t, codes.Unset, r.one().Status.Code)
}

func TestPreparedSpanBecomesTheNextAttempts(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	prepared := op.Prepare()
	prepared.UpdateName("renamed")
	prepared.AddEvent("hook")
	require.NoError(t, r.through(op, request(t, "GET", server.URL)))
	require.NoError(t, r.through(op, request(t, "GET", server.URL)))
	op.End(nil)
	clients := r.spans(trace.SpanKindClient)
	require.Len(t, clients, 2)
	assert.Equal(t, prepared.SpanID().String(), clients[0].SpanContext.SpanID().String())
	assert.Equal(t, prepared.SpanID(), r.sink.all()[0].SpanID)
	assert.Equal(t, "renamed", clients[0].Name)
	assert.Len(t, clients[0].Events, 1)
	assert.Equal(t, "GET", clients[1].Name)
	assert.NotEqual(t, clients[0].SpanContext.SpanID(), clients[1].SpanContext.SpanID())
}

func TestHeldSpanStaysOpenForTheResponseHook(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	what := operation("GET", server.URL)
	what.Hold = true
	op := r.client(ClientConfig{}).Start(t.Context(), what)
	require.NoError(t, r.through(op, request(t, "GET", server.URL)))
	assert.Empty(t, r.spans(trace.SpanKindClient))
	require.NotNil(t, op.LastSpan())
	op.LastSpan().SetName("by the hook")
	op.Release()
	assert.Equal(t, "by the hook", r.one().Name)
	assert.Nil(t, op.LastSpan())
	require.NoError(t, r.through(op, request(t, "GET", server.URL)))
	op.End(nil)
	assert.Len(t, r.spans(trace.SpanKindClient), 2, "the end of the operation releases what is held")
}
