package traced

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
)

// otherMethod is the recorded method of a request with an unknown one.
const otherMethod = "_OTHER"

// startSpan begins the CLIENT span of a request with these headers, ours among
// them. What may be another later is taken now.
func (x *exchange) startSpan(sent http.Header) {
	op, provider := x.op, x.op.client.provider
	x.late = provider.begin(lateSpan{
		ids: presetIDs{op.traceID, x.spanID}, kind: provider.client,
		parent: op.under, start: x.start,
		name: provider.spanName(x.req.Method, x.template()),
	})
	x.recorded = x.recordedURL()
	capture := &op.client.capture
	x.headers = capture.headers("http.request.header.", capture.request, sent)
	if x.prepared != nil && x.prepared.name != "" {
		x.late.name = x.prepared.name
	}
}

// makeSpan makes the span of a round trip that is over.
func (x *exchange) makeSpan(resp *http.Response, err error) {
	x.span = x.op.client.provider.make(x.late,
		func(out []attribute.KeyValue) []attribute.KeyValue {
			out = append(x.startAttributes(out), x.headers...)
			if x.prepared != nil {
				out = append(out, x.prepared.attributes...)
			}
			return x.endAttributes(out, resp)
		})
	if x.prepared != nil {
		x.prepared.addEvents(x.span, x.start)
	}
	switch {
	case err != nil && !x.op.interrupted(err):
		x.span.SetStatus(codes.Error, statusMessage(err))
	case err == nil && resp != nil && resp.StatusCode >= http.StatusBadRequest:
		x.span.SetStatus(codes.Error, "")
	}
}

func (x *exchange) startAttributes(out []attribute.KeyValue) []attribute.KeyValue {
	op, provider := x.op, x.op.client.provider
	out = provider.names.request(out, x.req, x.recorded, provider.methods)
	out = append(out, attribute.String("user_agent.synthetic.type", "test"))
	if resend := x.attempt.Resend; resend > 0 {
		out = append(out, attribute.Int("http.request.resend_count", int(resend)))
	}
	if template := x.template(); template != "" {
		out = append(out, attribute.String("url.template", template))
	}
	if service := op.client.config.Service; service != "" {
		out = append(out, attribute.String("service.peer.name", service))
	}
	return out
}

// template is url.template of the round trip. That of the request says nothing of
// where a redirect leads.
func (x *exchange) template() string {
	if x.req.Response != nil {
		return ""
	}
	return x.op.config.Template
}

// endAttributes adds what is only known now.
func (x *exchange) endAttributes(
	out []attribute.KeyValue, resp *http.Response,
) []attribute.KeyValue {
	client := x.op.client
	if resp != nil {
		out = client.provider.names.status(out, resp.StatusCode)
		out = append(out, attribute.String("network.protocol.version", protocolVersion(resp)))
		out = append(out, client.capture.headers(
			"http.response.header.", client.capture.response, resp.Header)...)
	}
	if host, port, ok := x.conn.peer(); ok {
		out = append(out, attribute.String("network.peer.address", host),
			attribute.Int("network.peer.port", port))
	}
	if x.attempt.ErrorType != "" {
		out = append(out, attribute.String("error.type", x.attempt.ErrorType))
	}
	out = x.testimony(out)
	if client.config.Timings {
		out = append(out, x.timings()...)
	}
	return out
}

func (x *exchange) timings() []attribute.KeyValue {
	ms := func(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
	return []attribute.KeyValue{
		attribute.Float64("continuity.blocked_ms", ms(x.attempt.Blocked)),
		attribute.Float64("continuity.connecting_ms", ms(x.attempt.Connecting)),
		attribute.Float64("continuity.tls_ms", ms(x.attempt.TLS)),
		attribute.Float64("continuity.waiting_ms", ms(x.attempt.Waiting)),
	}
}

// attributeNames knows which generation of names is wanted.
type attributeNames struct{ duplicate bool }

// request adds what is known before a request is sent.
func (n attributeNames) request(
	out []attribute.KeyValue, req *http.Request, fullURL string, known []string,
) []attribute.KeyValue {
	method := methodOf(req.Method)
	address, port := serverAddress(req)
	if slices.Contains(known, method) {
		out = append(out, attribute.String("http.request.method", method))
	} else {
		out = append(out, attribute.String("http.request.method", otherMethod),
			attribute.String("http.request.method_original", method))
	}
	out = append(out,
		attribute.String("server.address", address), attribute.Int("server.port", port),
		attribute.String("url.full", fullURL))
	if n.duplicate {
		out = append(out,
			attribute.String("http.method", method), attribute.String("http.url", fullURL),
			attribute.String("net.peer.name", address), attribute.Int("net.peer.port", port))
	}
	return out
}

// methodOf is the method that goes over the wire: net/http takes none for GET.
func methodOf(method string) string {
	if method == "" {
		return http.MethodGet
	}
	return method
}

func (n attributeNames) status(out []attribute.KeyValue, code int) []attribute.KeyValue {
	out = append(out, attribute.Int("http.response.status_code", code))
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
	method = methodOf(method)
	if !slices.Contains(p.methods, method) {
		method = "HTTP"
	}
	if template == "" {
		return method
	}
	return method + " " + template
}

func protocolVersion(resp *http.Response) string {
	if resp.ProtoMajor >= 2 {
		return strconv.Itoa(resp.ProtoMajor)
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
			values = []string{"[" + redacted + "]"}
		}
		out = append(out, attribute.StringSlice(prefix+strings.ToLower(name), values))
	}
	return out
}

// recordedURL is the URL of the round trip as url.full records it: the same as
// the operation's, but for redirects.
func (x *exchange) recordedURL() string {
	raw := x.req.URL.String()
	if raw == x.op.config.URL {
		return x.op.recorded
	}
	return x.op.recordedURL(raw)
}

// recordedURL is the URL as url.full records it: filtered and redacted.
func (op *Operation) recordedURL(raw string) string {
	if op.config.URLFilter != nil {
		raw = op.config.URLFilter(raw)
	}
	return RedactURL(raw)
}
