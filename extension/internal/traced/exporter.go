package traced

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlpclient"
)

// exporterOptions is what OTEL_EXPORTER_OTLP_* ask for
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). All of it is
// read here and given to the exporter as options: the exporter itself ignores
// invalid values without a word.
type exporterOptions struct {
	endpoint *url.URL // with scheme http or https
	http     bool     // OTLP/HTTP instead of gRPC
	gzip     bool
	headers  map[string]string
	tls      tlsOptions
	timeout  time.Duration // of one export with its retries
}

// Retries of one export: the exporter's own first interval of 5 s is long for a
// run of seconds.
const (
	exportRetryInitial = 200 * time.Millisecond
	exportRetryMax     = 5 * time.Second
)

// exporter connects to the endpoint of the environment; nil without one.
func (e environment) exporter(
	ctx context.Context, config ProviderConfig,
) (exporter sdktrace.SpanExporter, endpoint string, err error) {
	if config.Exporter != nil {
		return config.Exporter, "test", nil
	}
	name, endpoint := e.signal("ENDPOINT")
	if endpoint == "" || e.flag("OTEL_SDK_DISABLED") || !e.exportsOTLP() {
		return nil, "", nil
	}
	options := exporterOptions{
		http: e.overHTTP(), gzip: e.gzip(), headers: e.headers(), timeout: e.exportTimeout(),
	}
	if options.endpoint = e.endpoint(name, endpoint, options.http); options.endpoint == nil {
		return nil, "", nil
	}
	if options.endpoint.Scheme == "https" {
		options.tls = e.tls()
	}
	if options.http {
		exporter, err = options.newHTTP(ctx)
	} else {
		exporter, err = options.newGRPC(ctx)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s %q: %w", name, RedactURL(endpoint), err)
	}
	return exporter, RedactURL(endpoint), nil
}

func (o *exporterOptions) newGRPC(ctx context.Context) (sdktrace.SpanExporter, error) {
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(o.endpoint.Host),
		otlptracegrpc.WithTimeout(o.timeout),
		otlptracegrpc.WithHeaders(o.headers),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: exportRetryInitial,
			MaxInterval: exportRetryMax, MaxElapsedTime: o.timeout,
		}),
		otlptracegrpc.WithDialOption(
			grpc.WithUnaryInterceptor(watchExports),
			// gRPC's own longest wait between connects is two minutes.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff: backoff.Config{
					BaseDelay: exportRetryInitial, Multiplier: 1.6,
					Jitter: 0.2, MaxDelay: exportRetryMax,
				},
				MinConnectTimeout: exportRetryMax,
			}),
		),
	}
	if o.endpoint.Scheme == "https" {
		options = append(options,
			otlptracegrpc.WithTLSCredentials(credentials.NewTLS(o.tls.config())))
	} else {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	if o.gzip {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	return otlpclient.New(ctx, otlptracegrpc.NewClient(options...))
}

func (o *exporterOptions) newHTTP(ctx context.Context) (sdktrace.SpanExporter, error) {
	compression := otlptracehttp.NoCompression
	if o.gzip {
		compression = otlptracehttp.GzipCompression
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.tls.config(), ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: exportWorkers, IdleConnTimeout: 90 * time.Second,
	}
	exporter, err := otlpclient.New(ctx, otlptracehttp.NewClient(
		otlptracehttp.WithEndpointURL(o.endpoint.String()),
		otlptracehttp.WithTimeout(o.timeout),
		otlptracehttp.WithHeaders(o.headers),
		otlptracehttp.WithCompression(compression),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: watchHTTP{transport}}),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: exportRetryInitial,
			MaxInterval: exportRetryMax, MaxElapsedTime: o.timeout,
		})))
	return httpExporter{exporter, transport}, err
}

// httpExporter closes the connections that its exporter leaves open.
type httpExporter struct {
	sdktrace.SpanExporter
	transport *http.Transport
}

// Shutdown implements sdktrace.SpanExporter.
func (e httpExporter) Shutdown(ctx context.Context) error {
	defer e.transport.CloseIdleConnections()
	return e.SpanExporter.Shutdown(ctx)
}

// exportsOTLP reads OTEL_TRACES_EXPORTER.
func (e environment) exportsOTLP() bool {
	const name = "OTEL_TRACES_EXPORTER"
	switch value := e.get(name); value {
	case "", "otlp":
		return true
	case "none":
		return false
	default:
		e.invalid(name, value, "otlp or none", "otlp is used")
		return true
	}
}

func (e environment) overHTTP() bool {
	switch name, value := e.signal("PROTOCOL"); value {
	case "", "grpc":
		return false
	case "http/protobuf":
		return true
	case "http/json": // same port, and what speaks it speaks protobuf too
		e.invalid(name, value, "grpc or http/protobuf", "http/protobuf is used")
		return true
	default:
		e.invalid(name, value, "grpc or http/protobuf", "grpc is used")
		return false
	}
}

func (e environment) gzip() bool {
	switch name, value := e.signal("COMPRESSION"); value {
	case "", "none":
		return false
	case "gzip":
		return true
	default:
		e.invalid(name, value, "gzip or none", "none is used")
		return false
	}
}

// headers reads key=value pairs with percent-encoded values. What a warning
// says never holds a value, for it may be a credential.
func (e environment) headers() map[string]string {
	name, list := e.signal("HEADERS")
	out := make(map[string]string)
	for i, pair := range strings.Split(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || !isHeaderName(key) || err != nil || !isHeaderValue(decoded) {
			e.warn(fmt.Sprintf("%s must be key=value pairs with commas, percent-encoded; "+
				"pair %d is not: it is left out", name, i+1))
			continue
		}
		out[key] = decoded
	}
	return out
}

// isHeaderName checks for what both gRPC and HTTP allow, in lower case.
func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

func isHeaderValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// endpoint reads an endpoint: an http or https URL, or host:port, which means
// TLS unless OTEL_EXPORTER_OTLP_INSECURE says otherwise. For OTLP/HTTP the
// general variable is a base URL, and the one for traces is used as it is.
func (e environment) endpoint(name, value string, overHTTP bool) *url.URL {
	text := value
	if !strings.Contains(value, "://") {
		text = "https://" + value
		if insecureName, _ := e.signal("INSECURE"); e.flag(insecureName) {
			text = "http://" + value
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		(text != value && u.Port() == "") {
		e.invalid(name, RedactURL(value), "a URL such as http://localhost:4317, or host:port",
			"client spans are not exported")
		return nil
	}
	e.checkPort(name, u.Port(), overHTTP)
	switch {
	case !overHTTP && u.Port() == "":
		u.Host += ":4317"
	case overHTTP && name == "OTEL_EXPORTER_OTLP_ENDPOINT":
		u = u.JoinPath("v1", "traces")
	}
	return u
}

// checkPort warns of an endpoint at the other protocol's usual port: nothing
// would arrive there, and the transport's own error comes late and says little.
func (e environment) checkPort(name, port string, overHTTP bool) {
	protocols := map[bool]struct{ name, port string }{
		false: {"grpc", "4317"}, true: {"http/protobuf", "4318"},
	}
	mine, other := protocols[overHTTP], protocols[!overHTTP]
	if port == other.port {
		e.warn(fmt.Sprintf("%s: the protocol is %s, and %s is the usual port of %s: "+
			"use port %s or OTEL_EXPORTER_OTLP_PROTOCOL=%s",
			name, mine.name, port, other.name, mine.port, other.name))
	}
}
