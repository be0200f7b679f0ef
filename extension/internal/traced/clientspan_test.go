package traced

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

func TestNameIsMethodAndTemplateNeverThePath(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	for _, tt := range []struct{ method, template, want string }{
		{"GET", "", "GET"},
		{"GET", "/users/{id}", "GET /users/{id}"},
		{"QUERY", "", "QUERY"},
		{"PURGE", "", "HTTP"},
		{"PURGE", "/cache/{key}", "HTTP /cache/{key}"},
		{"get", "", "HTTP"},
	} {
		t.Run(tt.method+" "+tt.template, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			config := operation(tt.method, server.URL+"/users/7")
			config.Template = tt.template
			op := r.client(ClientConfig{}).Start(t.Context(), config)
			err := r.through(op, request(t, tt.method, server.URL+"/users/7"))
			require.NoError(t, err)
			op.End(nil)
			got := r.one()
			assert.Equal(t, tt.want, got.Name)
			if tt.template == "" {
				hasNot(t, attributesOf(got.Attributes), "url.template")
			} else {
				has(t, r.sampler.client(t, 0), "url.template", tt.template)
			}
		})
	}
}

func TestKindIsClientPerAttemptAndInternalAround(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	for range 3 {
		err := r.through(op, request(t, "GET", server.URL))
		require.NoError(t, err)
	}
	op.End(nil)
	clients, internals := r.spans(trace.SpanKindClient), r.spans(trace.SpanKindInternal)
	require.Len(t, clients, 3)
	require.Len(t, internals, 1)
	root := internals[0]
	assert.False(t, root.Parent.IsValid(), "the operation is the root")
	for i, c := range clients {
		assert.Equal(t, root.SpanContext.SpanID(), c.Parent.SpanID())
		assert.Equal(t, root.SpanContext.TraceID(), c.SpanContext.TraceID())
		assert.Equal(t, "00-"+c.SpanContext.TraceID().String()+"-"+c.SpanContext.SpanID().String()+
			"-01", server.seen(i).Get("Traceparent"), "the header carries the client span's own id")
	}
}

func TestMethodAtStartKnownAndOther(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	const own = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
	for _, tt := range []struct{ env, method, want, original string }{
		{"", "GET", "GET", ""},
		{"", "HEAD", "HEAD", ""},
		{"", "POST", "POST", ""},
		{"", "PUT", "PUT", ""},
		{"", "DELETE", "DELETE", ""},
		{"", "OPTIONS", "OPTIONS", ""},
		{"", "TRACE", "TRACE", ""},
		{"", "PATCH", "PATCH", ""},
		{"", "QUERY", "QUERY", ""},
		{"", "get", "_OTHER", "get"},
		{"", "PURGE", "_OTHER", "PURGE"},
		{"PURGE, GET", "PURGE", "PURGE", ""},
		{"PURGE, GET", "POST", "_OTHER", "POST"},
	} {
		t.Run(tt.env+" "+tt.method, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{own: tt.env})
			err := r.send(ClientConfig{}, request(t, tt.method, server.URL))
			require.NoError(t, err)
			atStart := r.sampler.client(t, 0)
			has(t, atStart, "http.request.method", tt.want)
			if tt.original == "" {
				hasNot(t, atStart, "http.request.method_original")
			} else {
				has(t, atStart, "http.request.method_original", tt.original)
			}
		})
	}
}

func TestKnownMethodsHoldConnectToo(t *testing.T) {
	t.Parallel()
	got := attributesOf(attributeNames{}.request(
		nil,
		&http.Request{Method: http.MethodConnect, URL: &url.URL{Scheme: "http", Host: "h"}}, "http://h",
		environment{get: func(string) string { return "" }}.methods()))
	has(t, got, "http.request.method", "CONNECT")
	got = attributesOf(attributeNames{}.request(
		nil,
		&http.Request{URL: &url.URL{Scheme: "http", Host: "h"}}, "http://h", []string{"GET"}))
	has(t, got, "http.request.method", "GET")
}

func TestServerAddressAndPortAtStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target, host, address string
		port                  int
	}{
		{"http://example.test/", "", "example.test", 80},
		{"https://example.test/", "", "example.test", 443},
		{"http://example.test:80/", "", "example.test", 80},
		{"https://example.test:8443/", "", "example.test", 8443},
		{"http://[::1]:8080/", "", "::1", 8080},
		{"http://[2001:db8::7]/", "", "2001:db8::7", 80},
		{"http://127.0.0.1:9/", "shop.test", "shop.test", 80},
		{"http://127.0.0.1:9/", "shop.test:8080", "shop.test", 8080},
		{"https://127.0.0.1:9/", "[::1]", "::1", 443},
	} {
		t.Run(tt.target+" "+tt.host, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			req := request(t, "GET", tt.target)
			if tt.host != "" {
				req.Host = tt.host
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // nothing is sent: what counts is known at start
			err := r.send(ClientConfig{}, req.WithContext(ctx))
			require.Error(t, err)
			has(t, r.sampler.client(t, 0), "server.address", tt.address)
			has(t, r.sampler.client(t, 0), "server.port", int64(tt.port))
		})
	}
}

func TestServerAddressOfARealIPv6RoundTrip(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 loopback: ", err)
	}
	server := &httptest.Server{
		Listener: listener, Config: &http.Server{Handler: http.NotFoundHandler()},
	}
	server.Start()
	t.Cleanup(server.Close)
	r := newRig(t, nil)
	r.get(ClientConfig{}, server.URL)
	port := int64(listener.Addr().(*net.TCPAddr).Port)
	got := attributesOf(r.one().Attributes)
	has(t, got, "server.address", "::1")
	has(t, got, "server.port", port)
	has(t, got, "network.peer.address", "::1")
	has(t, got, "network.peer.port", port)
}

func TestURLFullAtStartIsRedactedByteForByte(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://h/":                                "http://h/",
		"http://u:p@h/":                            "http://REDACTED:REDACTED@h/",
		"http://u@h/":                              "http://REDACTED:REDACTED@h/",
		"http://u:p%40x@h:81/a":                    "http://REDACTED:REDACTED@h:81/a",
		"http://h/a?x=u:p@h":                       "http://h/a?x=u:p@h",
		"http://h/@a":                              "http://h/@a",
		"https://h/?sig=abc":                       "https://h/?sig=REDACTED",
		"https://h/?sig=a%20b%3D&x=%7e":            "https://h/?sig=REDACTED&x=%7e",
		"https://h/?a=1&Signature=s&b=2":           "https://h/?a=1&Signature=REDACTED&b=2",
		"https://h/?AWSAccessKeyId=s":              "https://h/?AWSAccessKeyId=REDACTED",
		"https://h/?X-Amz-Signature=s":             "https://h/?X-Amz-Signature=REDACTED",
		"https://h/?X-Amz-Credential=s":            "https://h/?X-Amz-Credential=REDACTED",
		"https://h/?X-Amz-Security-Token=s":        "https://h/?X-Amz-Security-Token=REDACTED",
		"https://h/?X-Goog-Signature=s#top":        "https://h/?X-Goog-Signature=REDACTED#top",
		"https://h/?Sig=a&SIG=b&signature=c":       "https://h/?Sig=a&SIG=b&signature=c",
		"https://h/?sigx=a&xsig=b":                 "https://h/?sigx=a&xsig=b",
		"https://h/?%73ig=a":                       "https://h/?%73ig=REDACTED",
		"https://h/?sig=a&sig=b":                   "https://h/?sig=REDACTED&sig=REDACTED",
		"https://h/?sig=a=b":                       "https://h/?sig=REDACTED",
		"https://h/?sig":                           "https://h/?sig",
		"https://h/?&&a&=b&":                       "https://h/?&&a&=b&",
		"https://h/#sig=a":                         "https://h/#sig=a",
		"https://h/#a?sig=b":                       "https://h/#a?sig=b",
		"https://h/%2F%e2%82%ac/?q=%zz+%20;x#f%20": "https://h/%2F%e2%82%ac/?q=%zz+%20;x#f%20",
	} {
		assert.Equal(t, want, RedactURL(raw), raw)
	}
	server := newEcho(t)
	r := newRig(t, nil)
	host := hostPort(server.URL)
	r.get(ClientConfig{}, "http://bob:secret@"+host+"/a%2Fb?sig=abc&b=%7E&&c#frag")
	want := "http://REDACTED:REDACTED@" + host + "/a%2Fb?sig=REDACTED&b=%7E&&c#frag"
	has(t, r.sampler.client(t, 0), "url.full", want)
	has(t, attributesOf(r.one().Attributes), "url.full", want)
	for _, s := range r.spans(trace.SpanKindInternal) {
		has(t, attributesOf(s.Attributes), "url.full", want)
	}
}

func TestURLFullComesFromTheFilterAndIsStillRedacted(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	config := operation("GET", server.URL+"/secret")
	config.URLFilter = func(raw string) string {
		return strings.Replace(raw, "/secret", "/-?sig=1", 1)
	}
	op := r.client(ClientConfig{}).Start(t.Context(), config)
	err := r.through(op, request(t, "GET", server.URL+"/secret"))
	require.NoError(t, err)
	op.End(nil)
	has(t, r.sampler.client(t, 0), "url.full", server.URL+"/-?sig=REDACTED")
}

func TestSyntheticTypeIsAlwaysTest(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	r.get(ClientConfig{}, server.URL)
	has(t, r.sampler.client(t, 0), "user_agent.synthetic.type", "test")
}

func TestTimingsByOption(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	keys := []string{
		"continuity.blocked_ms", "continuity.connecting_ms", "continuity.tls_ms", "continuity.waiting_ms",
	}
	r := newRig(t, nil)
	r.get(ClientConfig{Timings: true}, server.URL)
	got := attributesOf(r.one().Attributes)
	for _, key := range keys {
		assert.Equal(t, attribute.FLOAT64, got[key].Type(), key)
	}
	assert.Positive(t, got["continuity.waiting_ms"].AsFloat64())
	r = newRig(t, nil)
	r.get(ClientConfig{}, server.URL)
	hasNot(t, attributesOf(r.one().Attributes), keys...)
}

func TestSpanEndsWithTheBodyReadOrClosed(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	r := newRig(t, nil)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	transport := op.Transport(r.base, 1, 0)

	read, err := transport.RoundTrip(request(t, "GET", server.URL))
	require.NoError(t, err)
	assert.Empty(t, r.sink.all(), "the body is not read yet")
	_, err = io.ReadAll(read.Body)
	require.NoError(t, err)
	assert.Len(t, r.sink.all(), 1, "the body is read to its end")
	require.NoError(t, read.Body.Close())
	assert.Len(t, r.sink.all(), 1, "closing it adds nothing")

	closed, err := transport.RoundTrip(request(t, "GET", server.URL))
	require.NoError(t, err)
	require.NoError(t, closed.Body.Close())
	assert.Len(t, r.sink.all(), 2, "the body is closed unread")

	_, err = transport.RoundTrip(request(t, "GET", server.URL)) //nolint:bodyclose // that is the point
	require.NoError(t, err)
	assert.Len(t, r.sink.all(), 2)
	op.End(nil)
	assert.Len(t, r.sink.all(), 3, "the end of the operation closes what nobody read")
	for _, s := range r.spans(trace.SpanKindClient) {
		assert.Equal(t, codes.Unset, s.Status.Code)
	}
}
