package shop

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// telemetry is the OpenTelemetry SDK of one service.
type telemetry struct {
	name        string
	provider    *sdktrace.TracerProvider
	propagators propagation.TextMapPropagator
	warn        func(string)
}

// droppedSpan marks the SERVER spans that are not to be exported.
const droppedSpan = attribute.Key("shop.dropped")

func newTelemetry(ctx context.Context, service string, c Config) (*telemetry, error) {
	t := &telemetry{
		name: service, warn: c.Warn,
		propagators: propagation.NewCompositeTextMapPropagator(
			propagation.TraceContext{}, propagation.Baggage{}),
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", service))),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
	}
	exporter, err := newExporter(ctx, c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("exporting spans of %s to %s: %w", service, c.Endpoint, err)
	}
	if exporter != nil {
		batches := sdktrace.NewBatchSpanProcessor(exporter, sdktrace.WithBatchTimeout(c.Batch),
			sdktrace.WithMaxQueueSize(1<<17), sdktrace.WithMaxExportBatchSize(2048))
		options = append(options, sdktrace.WithSpanProcessor(&spanFilter{SpanProcessor: batches}))
	}
	t.provider = sdktrace.NewTracerProvider(options...)
	return t, nil
}

// newExporter speaks OTLP/HTTP to a URL and OTLP/gRPC to host:port.
func newExporter(ctx context.Context, endpoint string) (*otlptrace.Exporter, error) {
	switch {
	case endpoint == "":
		return nil, nil //nolint:nilnil // no endpoint, no exporter: both are fine
	case strings.Contains(endpoint, "://"):
		return otlptracehttp.New(
			ctx,
			otlptracehttp.WithEndpointURL(strings.TrimSuffix(endpoint, "/")+"/v1/traces"),
		)
	default:
		return otlptracegrpc.New(
			ctx,
			otlptracegrpc.WithEndpoint(endpoint),
			otlptracegrpc.WithInsecure(),
		)
	}
}

// spanFilter loses the spans that the demo was told to lose.
type spanFilter struct{ sdktrace.SpanProcessor }

// OnEnd passes on all spans but the dropped ones.
func (f *spanFilter) OnEnd(s sdktrace.ReadOnlySpan) {
	for _, a := range s.Attributes() {
		if a.Key == droppedSpan {
			return
		}
	}
	f.SpanProcessor.OnEnd(s)
}

func (t *telemetry) shutdown(ctx context.Context) {
	if err := t.provider.Shutdown(ctx); err != nil {
		t.warn(fmt.Sprintf("exporting the last spans of %s: %v", t.name, err))
	}
}

// handle instruments one route.
func (t *telemetry) handle(mux *http.ServeMux, pattern string, h http.HandlerFunc) {
	mux.Handle(pattern, otelhttp.NewHandler(h, pattern,
		otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(t.propagators),
		otelhttp.WithSpanNameFormatter(func(string, *http.Request) string { return pattern })))
}

// client is an instrumented client for calls to the other services.
func (t *telemetry) client() *http.Client {
	base := &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}
	return &http.Client{Timeout: 30 * time.Second, Transport: otelhttp.NewTransport(base,
		otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(t.propagators))}
}

// loseSpan keeps the SERVER span of this request from being exported.
func loseSpan(r *http.Request) {
	trace.SpanFromContext(r.Context()).SetAttributes(droppedSpan.Bool(true))
}
