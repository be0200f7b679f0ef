package traced

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
)

// environment reads the OTEL_* variables. An invalid value warns, naming the
// variable, and falls back to the default.
type environment struct {
	get  func(string) string
	warn func(string)
}

func (e environment) invalid(name, value, accepted, fallback string) {
	e.warn(fmt.Sprintf("%s must be %s, got %q: %s", name, accepted, value, fallback))
}

func (e environment) list(name string) []string {
	var out []string
	for item := range strings.SplitSeq(e.get(name), ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// duplicateNames is OTEL_SEMCONV_STABILITY_OPT_IN=http/dup.
func (e environment) duplicateNames() bool {
	return slices.Contains(e.list("OTEL_SEMCONV_STABILITY_OPT_IN"), "http/dup")
}

// methods are the known HTTP methods, replaced as a whole by the variable.
func (e environment) methods() []string {
	if own := e.list("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"); own != nil {
		return own
	}
	return []string{
		"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
	}
}

func (e environment) propagators() []string {
	defaults := []string{"tracecontext", "baggage"}
	names := e.list("OTEL_PROPAGATORS")
	if names == nil {
		return defaults
	}
	if _, err := parsePropagators(names); err != nil {
		e.warn(fmt.Sprintf("OTEL_PROPAGATORS: %v: tracecontext and baggage are used", err))
		return defaults
	}
	return names
}

func (e environment) capture() CaptureHeaders {
	return CaptureHeaders{
		Request:  e.list("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST"),
		Response: e.list("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE"),
		Sanitize: e.list("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"),
	}
}

func (e environment) sampler() sampler {
	name, ratio := e.get("OTEL_TRACES_SAMPLER"), 1.0
	if name == "" {
		name = "parentbased_always_on"
	}
	if arg := e.get("OTEL_TRACES_SAMPLER_ARG"); arg != "" && strings.HasSuffix(name, "traceidratio") {
		parsed, err := strconv.ParseFloat(arg, 64)
		if err != nil || parsed < 0 || parsed > 1 {
			e.invalid("OTEL_TRACES_SAMPLER_ARG", arg, "a ratio between 0 and 1", "1 is used")
		} else {
			ratio = parsed
		}
	}
	s, err := newSampler(name, ratio, nil)
	if err != nil {
		e.warn(fmt.Sprintf("OTEL_TRACES_SAMPLER: %v: parentbased_always_on is used", err))
		return sampler{parentBased: true, bound: always}
	}
	return s
}

func (e environment) number(name string, fallback int) int {
	value := e.get(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		e.invalid(name, value, "a whole number above 0", strconv.Itoa(fallback)+" is used")
		return fallback
	}
	return n
}

// batching sizes queue and batches for load; OTEL_BSP_* override it.
func (e environment) batching() batching {
	b := batching{workers: 4}
	b.queue = e.number("OTEL_BSP_MAX_QUEUE_SIZE", 65_536)
	b.batch = min(e.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 2_048), b.queue)
	b.delay = time.Duration(e.number("OTEL_BSP_SCHEDULE_DELAY", 1_000)) * time.Millisecond
	b.timeout = max(e.exportTimeout(), time.Duration(e.number("OTEL_BSP_EXPORT_TIMEOUT", 30_000))*time.Millisecond)
	return b
}

// signal returns the traces variable of an exporter option, else the general one.
func (e environment) signal(option string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + option
	if value = e.get(name); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + option
	return name, e.get(name)
}

// exportTimeout bounds one export with its retries. The exporter's own default
// of 10 s would cut its retry loop of a minute short.
func (e environment) exportTimeout() time.Duration {
	const fallback = 30_000
	name, _ := e.signal("TIMEOUT")
	return time.Duration(e.number(name, fallback)) * time.Millisecond
}

// exporter connects to the endpoint of the environment; nil without one. The
// variables that are not read here are read by otlptracegrpc.
func (e environment) exporter(
	ctx context.Context, config ProviderConfig,
) (sdktrace.SpanExporter, string, error) {
	if config.Exporter != nil {
		return config.Exporter, "test", nil
	}
	name, endpoint := e.signal("ENDPOINT")
	disabled, _ := strconv.ParseBool(e.get("OTEL_SDK_DISABLED"))
	if endpoint == "" || disabled || e.get("OTEL_TRACES_EXPORTER") == "none" {
		return nil, "", nil
	}
	if protocolName, protocol := e.signal("PROTOCOL"); protocol != "" && protocol != "grpc" {
		e.invalid(protocolName, protocol, "grpc", "grpc is used")
	}
	target, ok := e.endpointOption(name, endpoint)
	if !ok {
		return nil, "", nil
	}
	timeout := e.exportTimeout()
	exporter, err := otlptracegrpc.New(ctx, target,
		otlptracegrpc.WithTimeout(timeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: 200 * time.Millisecond,
			MaxInterval: 5 * time.Second, MaxElapsedTime: timeout,
		}),
		otlptracegrpc.WithDialOption(grpc.WithUnaryInterceptor(watchExports)),
	)
	if err != nil {
		return nil, "", fmt.Errorf("%s %q: %w", name, endpoint, err)
	}
	return exporter, endpoint, nil
}

// endpointOption reads an endpoint: http and https URLs, or host:port with TLS
// unless OTEL_EXPORTER_OTLP_INSECURE says otherwise.
func (e environment) endpointOption(name, endpoint string) (otlptracegrpc.Option, bool) {
	const accepted = "a URL such as http://localhost:4317, or host:port"
	if !strings.Contains(endpoint, "://") {
		if u, err := url.Parse("//" + endpoint); err != nil || u.Host == "" || u.Port() == "" {
			e.invalid(name, endpoint, accepted, "client spans are not exported")
			return nil, false
		}
		return otlptracegrpc.WithEndpoint(endpoint), true
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		e.invalid(name, endpoint, accepted, "client spans are not exported")
		return nil, false
	}
	return otlptracegrpc.WithEndpointURL(endpoint), true
}

func unescape(value string) string {
	if decoded, err := url.PathUnescape(value); err == nil {
		return decoded
	}
	return value
}
