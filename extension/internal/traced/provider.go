package traced

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// Instrumentation scope of all spans, and the schema that they follow.
const (
	scopeName = "github.com/xk6-continuity/xk6-continuity"
	schemaURL = "https://opentelemetry.io/schemas/1.43.0"
)

// ProviderConfig is what a provider needs from its surroundings.
type ProviderConfig struct {
	ServiceName    string // service.name unless the environment sets it
	ServiceVersion string // service.version
	Version        string // of the instrumentation scope
	Getenv         func(string) string
	Warn           func(string) // told of invalid variables and of failed exports
	// Exporter takes the place of the OTLP exporter, in tests.
	Exporter sdktrace.SpanExporter
}

// Provider makes and exports spans for all clients of a process. It follows
// the OTEL_* environment variables
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
type Provider struct {
	tracer      trace.Tracer
	internal    trace.SpanStartOption // the two kinds of our spans
	client      trace.SpanStartOption
	sdk         *sdktrace.TracerProvider // nil when nothing is exported
	ledger      *ledger
	endpoint    string
	warn        func(string)
	warned      sync.Map // what warnOnce has told
	names       attributeNames
	methods     []string
	propagators []string
	capture     CaptureHeaders
	sampler     sampler
	marks       markCache
	rooms       sync.Pool // of *attributeList
}

// NewProvider reads the environment and connects to the OTLP endpoint if one
// is set. It does not wait for the connection: an endpoint that cannot be
// reached shows in the ledger.
func NewProvider(ctx context.Context, config ProviderConfig) (*Provider, error) {
	env := environment{get: config.Getenv, warn: config.Warn}
	if env.get == nil {
		env.get = func(string) string { return "" }
	}
	if env.warn == nil {
		env.warn = func(string) {}
	}
	p := &Provider{
		internal:    trace.WithSpanKind(trace.SpanKindInternal),
		client:      trace.WithSpanKind(trace.SpanKindClient),
		warn:        env.warn,
		names:       attributeNames{duplicate: env.duplicateNames()},
		methods:     env.methods(),
		propagators: env.propagators(),
		capture:     env.capture(),
		sampler:     env.sampler(),
	}
	exporter, endpoint, err := env.exporter(ctx, config)
	if err != nil {
		return nil, err
	}
	if exporter != nil {
		p.endpoint = endpoint
		p.ledger = newLedger(context.WithoutCancel(ctx), exporter, env.batching(), env.warn)
	}
	p.useSDK(config.Version, sdktrace.WithResource(env.resource(ctx, config)))
	return p, nil
}

// useSDK makes the tracer. The sampling decision has been taken when a span is
// started, so the SDK samples all.
func (p *Provider) useSDK(version string, options ...sdktrace.TracerProviderOption) {
	options = append([]sdktrace.TracerProviderOption{
		sdktrace.WithIDGenerator(idGenerator{}),
		sdktrace.WithSampler(handsOver{sdktrace.AlwaysSample()}),
	}, options...)
	if p.ledger != nil {
		options = append(options, sdktrace.WithSpanProcessor(p.ledger))
	}
	p.sdk = sdktrace.NewTracerProvider(options...)
	p.tracer = p.sdk.Tracer(scopeName,
		trace.WithInstrumentationVersion(version), trace.WithSchemaURL(schemaURL))
}

// warnOnce tells of the first of many events of a kind: it is called per request.
func (p *Provider) warnOnce(kind, message string) {
	if _, told := p.warned.LoadOrStore(kind, true); !told {
		p.warn(message + " (further ones are not told)")
	}
}

func (p *Provider) exporting() bool { return p.ledger != nil }

// records reports whether a client's spans have to be made at all.
func (p *Provider) records(c ClientConfig) bool { return p.exporting() || c.WantsSpans }

// Ledger accounts for every span: Started = Exported + Failed + Dropped + InFlight.
type Ledger struct {
	Started   uint64 // spans begun
	Exported  uint64 // accepted by the endpoint
	Failed    uint64 // refused by the endpoint or lost with a failed export
	Dropped   uint64 // never sent: the queue was full or the provider was shut down
	InFlight  uint64 // not ended yet, queued, or being exported
	Exporting bool   // whether an endpoint is set
	Endpoint  string
}

// Stats returns the ledger as of now.
func (p *Provider) Stats() Ledger {
	if p.ledger == nil {
		return Ledger{}
	}
	stats := p.ledger.stats()
	stats.Exporting, stats.Endpoint = true, p.endpoint
	return stats
}

// ForceFlush exports what is queued, bounded by ctx.
func (p *Provider) ForceFlush(ctx context.Context) error {
	if err := p.sdk.ForceFlush(ctx); err != nil {
		return fmt.Errorf("flushing spans: %w", err)
	}
	return nil
}

// Shutdown exports what is queued, bounded by ctx, and counts the rest as
// dropped. It does so even if ctx has ended, where the SDK would do nothing.
func (p *Provider) Shutdown(ctx context.Context) error {
	err := p.sdk.Shutdown(ctx)
	if p.ledger != nil {
		err = errors.Join(err, p.ledger.Shutdown(ctx))
	}
	if err != nil {
		return fmt.Errorf("exporting the last spans: %w", err)
	}
	return nil
}

const serviceNameVariable = "OTEL_SERVICE_NAME"

// resource is service.name and service.version under what the environment says.
func (e environment) resource(
	ctx context.Context, config ProviderConfig,
) *resource.Resource {
	sdk, _ := resource.New(ctx, resource.WithTelemetrySDK()) // detects nothing
	attributes := append(sdk.Attributes(),
		semconv.ServiceName(config.ServiceName), semconv.ServiceVersion(config.ServiceVersion))
	attributes = append(attributes, e.resourceAttributes()...)
	switch name := e.get(serviceNameVariable); {
	case name == "":
	case !utf8.ValidString(name):
		e.invalid(serviceNameVariable, name, "a text in UTF-8", "the variable is ignored")
	default:
		attributes = append(attributes, semconv.ServiceName(name))
	}
	attributes = slices.DeleteFunc(attributes, func(kv attribute.KeyValue) bool {
		return kv.Value.AsString() == ""
	})
	return resource.NewWithAttributes(schemaURL, attributes...) // of equal keys the last counts
}

// resourceAttributes reads OTEL_RESOURCE_ATTRIBUTES: percent-encoded key=value
// pairs. One that cannot be read discards the variable, as the specification
// asks (https://opentelemetry.io/docs/specs/otel/resource/sdk/).
func (e environment) resourceAttributes() []attribute.KeyValue {
	const name = "OTEL_RESOURCE_ATTRIBUTES"
	var out []attribute.KeyValue
	for pair := range strings.SplitSeq(e.get(name), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key, keyErr := url.PathUnescape(strings.TrimSpace(key))
		value, valueErr := url.PathUnescape(strings.TrimSpace(value))
		if !ok || key == "" || keyErr != nil || valueErr != nil || !utf8.ValidString(key+value) {
			e.invalid(name, pair, "percent-encoded key=value pairs with commas, in UTF-8",
				"the variable is ignored")
			return nil
		}
		out = append(out, attribute.String(key, value))
	}
	return out
}

// batching is how the exporter's queue is sized for load.
type batching struct {
	queue   int           // spans that wait at most
	batch   int           // spans per export
	delay   time.Duration // how long a span waits for its batch to fill
	timeout time.Duration // per export, with its retries
	workers int           // exports in flight
}
