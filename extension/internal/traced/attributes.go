package traced

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// otherMethod is the recorded method of a request with an unknown one.
const otherMethod = "_OTHER"

// startSpan makes the CLIENT span. What the conventions want at start is passed
// at creation.
func (x *exchange) startSpan(ctx context.Context, resend int) context.Context {
	op, provider := x.op, x.op.client.provider
	attributes := make([]attribute.KeyValue, 0, 12)
	attributes = append(attributes, provider.names.request(x.req, op.recordedURL(x.req.URL.String()),
		provider.methods)...)
	attributes = append(attributes, attribute.String("user_agent.synthetic.type", "test"))
	if resend > 0 {
		attributes = append(attributes, attribute.Int("http.request.resend_count", resend))
	}
	if op.config.Template != "" {
		attributes = append(attributes, attribute.String("url.template", op.config.Template))
	}
	if service := op.client.config.Service; service != "" {
		attributes = append(attributes, attribute.String("service.peer.name", service))
	}
	attributes = append(attributes, op.client.capture.headers(
		"http.request.header.", op.client.capture.request, x.req.Header)...)
	parent := trace.ContextWithSpan(ctx, op.span)
	ctx, x.span = provider.tracer.Start(
		withIDs(parent, op.traceID, x.spanID), provider.spanName(x.req.Method, op.config.Template),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...),
		trace.WithTimestamp(x.start),
	)
	if x.prepared != nil {
		x.prepared.apply(x.span)
	}
	return ctx
}

// attributeNames knows which generation of names is wanted.
type attributeNames struct{ duplicate bool }

// request is what is known before a request is sent.
func (n attributeNames) request(req *http.Request, fullURL string, known []string) []attribute.KeyValue {
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	address, port := serverAddress(req)
	out := make([]attribute.KeyValue, 0, 9)
	if slices.Contains(known, method) {
		out = append(out, attribute.String("http.request.method", method))
	} else {
		out = append(out, attribute.String("http.request.method", otherMethod),
			attribute.String("http.request.method_original", method))
	}
	out = append(out, attribute.String("server.address", address), attribute.Int("server.port", port),
		attribute.String("url.full", fullURL))
	if n.duplicate {
		out = append(out, attribute.String("http.method", method), attribute.String("http.url", fullURL),
			attribute.String("net.peer.name", address), attribute.Int("net.peer.port", port))
	}
	return out
}

func (n attributeNames) status(code int) []attribute.KeyValue {
	out := []attribute.KeyValue{attribute.Int("http.response.status_code", code)}
	if n.duplicate {
		out = append(out, attribute.Int("http.status_code", code))
	}
	return out
}

// serverAddress is the host and port that the request is meant for: the Host
// override if the script set one, else the URL's.
func serverAddress(req *http.Request) (string, int) {
	host := req.URL.Host
	if req.Host != "" {
		host = req.Host
	}
	port := 80
	if req.URL.Scheme == "https" {
		port = 443
	}
	if name, text, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.Atoi(text); err == nil {
			port = n
		}
		return name, port
	}
	return strings.Trim(host, "[]"), port
}

// spanName is `{method}` or `{method} {url.template}`, never the path.
func (p *Provider) spanName(method, template string) string {
	if method == "" {
		method = http.MethodGet
	}
	if !slices.Contains(p.methods, method) {
		method = "HTTP"
	}
	if template == "" {
		return method
	}
	return method + " " + template
}

func protocolVersion(resp *http.Response) string {
	if resp.ProtoMajor == 2 {
		return "2"
	}
	return strconv.Itoa(resp.ProtoMajor) + "." + strconv.Itoa(resp.ProtoMinor)
}

// headers records the wanted headers: lower case, hyphens kept, all values.
func (c *capture) headers(prefix string, wanted []string, from http.Header) []attribute.KeyValue {
	var out []attribute.KeyValue
	for _, name := range wanted {
		values, ok := from[name]
		if !ok {
			continue
		}
		if c.sanitizes(name) {
			values = []string{"[REDACTED]"}
		}
		out = append(out, attribute.StringSlice(prefix+strings.ToLower(name), values))
	}
	return out
}

// recordedURL is the URL as url.full records it: filtered and redacted.
func (op *Operation) recordedURL(raw string) string {
	if op.config.URLFilter != nil {
		raw = op.config.URLFilter(raw)
	}
	return RedactURL(raw)
}

// RedactURL replaces credentials and the values of signature parameters, and
// leaves every other byte as it is
// (https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/, note on url.full).
func RedactURL(raw string) string {
	raw = redactUser(raw)
	start := strings.IndexByte(raw, '?')
	if start < 0 {
		return raw
	}
	end := len(raw)
	if hash := strings.IndexByte(raw[start:], '#'); hash >= 0 {
		end = start + hash
	}
	parameters := strings.Split(raw[start+1:end], "&")
	for i, parameter := range parameters {
		name, _, hasValue := strings.Cut(parameter, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && hasValue && isSecretParameter(decoded) {
			parameters[i] = name + "=REDACTED"
		}
	}
	return raw[:start+1] + strings.Join(parameters, "&") + raw[end:]
}

func redactUser(raw string) string {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return raw
	}
	prefix := raw[:len(raw)-len(rest)]
	return prefix + "REDACTED:REDACTED" + rest[at:]
}

func isSecretParameter(name string) bool {
	switch name {
	case "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId",
		"Signature", "sig", "X-Goog-Signature":
		return true
	default:
		return false
	}
}

// parentOf is the span context of an application span as a traceparent.
func parentOf(traceID tracecontext.TraceID, spanID tracecontext.SpanID, sampled bool) tracecontext.Traceparent {
	parent := tracecontext.Traceparent{TraceID: traceID, SpanID: spanID}
	if sampled {
		parent.Flags = tracecontext.FlagSampled
	}
	return parent
}
