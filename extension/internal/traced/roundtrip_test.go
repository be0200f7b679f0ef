package traced

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
)

func TestStatusCodeAndSpanStatus(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		code, _ := strconv.Atoi(req.URL.Path[1:])
		w.WriteHeader(code)
	})
	for code, failed := range map[int]bool{
		200: false, 204: false, 304: false, 399: false, 400: true, 404: true, 499: true,
		500: true, 503: true, 599: true,
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.get(ClientConfig{}, server.URL+"/"+strconv.Itoa(code))
			got := r.one()
			has(t, attributesOf(got.Attributes), "http.response.status_code", int64(code))
			hasNot(t, attributesOf(got.Attributes), "http.status_code")
			assert.Empty(t, got.Status.Description)
			assert.Empty(t, got.Events, "no exception event")
			assert.Equal(t, uint16(code), r.attempt().Status)
			if failed {
				assert.Equal(t, codes.Error, got.Status.Code)
				has(t, attributesOf(got.Attributes), "error.type", strconv.Itoa(code))
				assert.Equal(t, strconv.Itoa(code), r.attempt().ErrorType)
			} else {
				assert.Equal(t, codes.Unset, got.Status.Code)
				hasNot(t, attributesOf(got.Attributes), "error.type")
				assert.Empty(t, r.attempt().ErrorType)
			}
		})
	}
}

func TestResendCountForRetriesRedirectsAnd401(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/a":
			http.Redirect(w, req, "/b", http.StatusFound)
		case "/b":
			http.Redirect(w, req, "/c", http.StatusTemporaryRedirect)
		case "/401":
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	r := newRig(t, nil)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	for i, path := range []string{"/a", "/401", "/d"} {
		client := &http.Client{Transport: op.Transport(r.base, i+1, 0)}
		resp, err := client.Do(request(t, "GET", server.URL+path))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	op.End(nil)
	clients := r.spans(trace.SpanKindClient)
	require.Len(t, clients, 5)
	hasNot(t, r.sampler.client(t, 0), "http.request.resend_count")
	for i := 1; i < 5; i++ {
		has(t, r.sampler.client(t, i), "http.request.resend_count", int64(i))
	}
	var numbers, resends []uint16
	for _, a := range r.sink.all() {
		numbers, resends = append(numbers, a.Number), append(resends, a.Resend)
	}
	assert.Equal(t, []uint16{1, 1, 1, 2, 3}, numbers)
	assert.Equal(t, []uint16{0, 1, 2, 3, 4}, resends)
	assert.Equal(t, 5, op.RoundTrips())
}

func TestProtocolVersionIsTheNegotiatedOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	server := newEcho(t)
	r.get(ClientConfig{}, server.URL)
	has(t, attributesOf(r.one().Attributes), "network.protocol.version", "1.1")

	two := httptest.NewUnstartedServer(http.NotFoundHandler())
	two.EnableHTTP2 = true
	two.StartTLS()
	t.Cleanup(two.Close)
	r = newRig(t, nil)
	r.base = two.Client().Transport.(*http.Transport)
	r.get(ClientConfig{}, two.URL)
	has(t, attributesOf(r.one().Attributes), "network.protocol.version", "2")

	one := rawServer(t, "HTTP/1.0 200 OK\r\n\r\nold")
	r = newRig(t, nil)
	r.get(ClientConfig{}, one)
	has(t, attributesOf(r.one().Attributes), "network.protocol.version", "1.0")

	r = newRig(t, nil)
	err := r.send(ClientConfig{}, request(t, "GET", "http://"+loopbacktest.Address(t)))
	require.Error(t, err)
	hasNot(t, attributesOf(r.one().Attributes), "network.protocol.version",
		"network.peer.address", "network.peer.port", "http.response.status_code")
}

func TestPeerIsRecordedOnNewAndReusedConnections(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	_, text, err := net.SplitHostPort(hostPort(server.URL))
	require.NoError(t, err)
	port, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	target := "http://localhost:" + text
	for range 2 {
		r.get(ClientConfig{}, target)
	}
	clients := r.spans(trace.SpanKindClient)
	require.Len(t, clients, 2)
	for _, c := range clients {
		has(t, attributesOf(c.Attributes), "network.peer.address", "127.0.0.1")
		has(t, attributesOf(c.Attributes), "network.peer.port", port)
		has(t, attributesOf(c.Attributes), "server.address", "localhost")
	}
	attempts := r.sink.all()
	assert.Positive(t, attempts[0].Connecting)
	assert.Zero(t, attempts[1].Connecting, "the connection is reused")
}
