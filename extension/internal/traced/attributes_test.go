package traced

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

func TestServicePeerNameByOption(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	r := newRig(t, nil)
	r.get(ClientConfig{Service: "checkout"}, server.URL)
	has(t, r.sampler.client(t, 0), "service.peer.name", "checkout")
	hasNot(t, attributesOf(r.one().Attributes), "peer.service")
	r = newRig(t, nil)
	r.get(ClientConfig{}, server.URL)
	hasNot(t, attributesOf(r.one().Attributes), "service.peer.name", "peer.service")
}

func TestCapturedHeaders(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	send := func(r *rig, config ClientConfig) map[string]attribute.Value {
		req := request(t, "GET", server.URL)
		req.Header["X-Trace-Me"] = []string{"a", "b"}
		req.Header["Authorization"] = []string{"Bearer token"}
		err := r.send(config, req)
		require.NoError(t, err)
		got := attributesOf(r.one().Attributes)
		for key, value := range r.sampler.client(t, 0) {
			if strings.HasPrefix(key, "http.request.header.") {
				assert.Equal(t, value, got[key], "request headers are known at start")
			}
		}
		return got
	}
	got := send(newRig(t, nil), ClientConfig{Capture: CaptureHeaders{
		Request: []string{"x-TRACE-me", "authorization", "absent"}, Response: []string{"X-Answer"},
		Sanitize: []string{"auth.*"},
	}})
	has(t, got, "http.request.header.x-trace-me", []string{"a", "b"})
	has(t, got, "http.request.header.authorization", []string{"[REDACTED]"})
	has(t, got, "http.response.header.x-answer", []string{"one", "two"})
	hasNot(t, got, "http.request.header.absent")

	got = send(newRig(t, map[string]string{
		"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST":  "X-Trace-Me, Authorization",
		"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE": "x-answer",
		"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": "authorization,x-answer",
	}), ClientConfig{})
	has(t, got, "http.request.header.x-trace-me", []string{"a", "b"})
	has(t, got, "http.request.header.authorization", []string{"[REDACTED]"})
	has(t, got, "http.response.header.x-answer", []string{"[REDACTED]"})

	got = send(newRig(t, nil), ClientConfig{})
	hasNot(t, got, "http.request.header.x-trace-me", "http.response.header.x-answer")
}

func TestCapturedRequestHeadersAreThoseThatAreSent(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	r.get(ClientConfig{Correlate: true, Capture: CaptureHeaders{
		Request: []string{"User-Agent", "traceparent"},
	}}, server.URL)
	ids := r.one().SpanContext
	text := ids.TraceID().String() + "-" + ids.SpanID().String()
	got := attributesOf(r.one().Attributes)
	has(t, got, "http.request.header.user-agent", []string{"continuity/" + text})
	has(t, got, "http.request.header.traceparent", []string{"00-" + text + "-01"})
}

func TestATemplateIsThatOfTheRequestAndNotOfItsHops(t *testing.T) {
	t.Parallel()
	r, target := newRig(t, nil), newEcho(t)
	source := serve(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, target.URL+"/other", http.StatusFound)
	})
	config := operation("GET", source.URL)
	config.Template = "/items/{id}"
	op := r.client(ClientConfig{}).Start(t.Context(), config)
	require.NoError(t, r.through(op, request(t, "GET", source.URL)))
	op.End(nil)
	spans := r.spans(trace.SpanKindClient)
	require.Len(t, spans, 2)
	assert.Equal(t, "GET /items/{id}", spans[0].Name)
	has(t, attributesOf(spans[0].Attributes), "url.template", "/items/{id}")
	assert.Equal(t, "GET", spans[1].Name)
	hasNot(t, attributesOf(spans[1].Attributes), "url.template")
}

func TestDuplicateNamesByOptIn(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	host, text, err := net.SplitHostPort(hostPort(server.URL))
	require.NoError(t, err)
	port, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	r := newRig(t, map[string]string{"OTEL_SEMCONV_STABILITY_OPT_IN": "database, http/dup"})
	r.get(ClientConfig{}, server.URL+"/?sig=1")
	atStart := r.sampler.client(t, 0)
	has(t, atStart, "http.method", "GET")
	has(t, atStart, "http.url", server.URL+"/?sig=REDACTED")
	has(t, atStart, "net.peer.name", host)
	has(t, atStart, "net.peer.port", port)
	has(t, atStart, "http.request.method", "GET")
	has(t, atStart, "url.full", server.URL+"/?sig=REDACTED")
	has(t, attributesOf(r.one().Attributes), "http.status_code", int64(200))
	has(t, attributesOf(r.one().Attributes), "http.response.status_code", int64(200))

	r = newRig(t, map[string]string{"OTEL_SEMCONV_STABILITY_OPT_IN": "http"})
	r.get(ClientConfig{}, server.URL)
	hasNot(t, attributesOf(r.one().Attributes),
		"http.method", "http.url", "http.status_code", "net.peer.name", "net.peer.port")
}

func TestScopeNameVersionAndSchema(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	r.get(ClientConfig{}, server.URL)
	scope := r.one().InstrumentationScope
	assert.Equal(t, "github.com/xk6-continuity/xk6-continuity", scope.Name)
	assert.Equal(t, "1.2.3", scope.Version)
	assert.Equal(t, "https://opentelemetry.io/schemas/1.43.0", scope.SchemaURL)
}
