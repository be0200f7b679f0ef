package otlp_test

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exportOne records a SERVER span with the SDK and flushes it.
func exportOne(t *testing.T, exporter sdktrace.SpanExporter) oteltrace.SpanContext {
	t.Helper()
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "inventory"))))
	_, s := provider.Tracer("scope/x").Start(context.Background(), "GET /stock",
		oteltrace.WithSpanKind(oteltrace.SpanKindServer), oteltrace.WithAttributes(
			attribute.String("http.request.method", "GET"),
			attribute.String("http.route", "/stock"),
			attribute.Int("http.response.status_code", 503),
		))
	s.End()
	noError(t, provider.ForceFlush(context.Background()))
	noError(t, provider.Shutdown(context.Background()))
	return s.SpanContext()
}

func requireStock(t *testing.T, records []span.Record, sc oteltrace.SpanContext) {
	t.Helper()
	equal(t, 1, len(records))
	got := records[0]
	equal(t, [16]byte(sc.TraceID()), [16]byte(got.TraceID))
	equal(t, [8]byte(sc.SpanID()), [8]byte(got.SpanID))
	equal(t, true, got.ParentID.IsZero())
	equal(t, span.KindServer, got.Kind)
	equal(t, 503, int(got.Status))
	equal(t, &span.Descriptor{
		Service: "inventory", Name: "GET /stock", Method: "GET", Route: "/stock", Scope: "scope/x",
	}, got.Descriptor)
	equal(t, true, got.Start > 0)
	equal(t, true, got.End >= got.Start)
}

func TestTheSDKsGRPCExporterIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, compressor := range []string{"none", "gzip"} {
		t.Run(compressor, func(t *testing.T) {
			t.Parallel()
			r, got := listen(t, nil)
			options := []otlptracegrpc.Option{
				otlptracegrpc.WithEndpoint(r.GRPCAddr()), otlptracegrpc.WithInsecure(),
			}
			if compressor == "gzip" {
				options = append(options, otlptracegrpc.WithCompressor("gzip"))
			}
			exporter, err := otlptracegrpc.New(context.Background(), options...)
			noError(t, err)
			sc := exportOne(t, exporter)
			requireStock(t, got.all(), sc)
			equal(t, 1, int(r.Stats().Requests))
			equal(t, 1, int(r.Stats().Spans))
		})
	}
}

func TestTheSDKsHTTPExporterIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, c := range []otlptracehttp.Compression{
		otlptracehttp.NoCompression, otlptracehttp.GzipCompression,
	} {
		r, got := listen(t, nil)
		exporter, err := otlptracehttp.New(context.Background(),
			otlptracehttp.WithEndpoint(r.HTTPAddr()), otlptracehttp.WithInsecure(),
			otlptracehttp.WithCompression(c))
		noError(t, err)
		sc := exportOne(t, exporter)
		requireStock(t, got.all(), sc)
	}
}

func TestPlainHTTPPost(t *testing.T) {
	t.Parallel()
	r, got := listen(t, func(c *otlp.Config) { c.GRPC = "" })
	equal(t, "", r.GRPCAddr())
	body := marshal(t, request("inventory", serverSpan(1), serverSpan(5)))
	resp, err := http.Post("http://"+r.HTTPAddr()+"/v1/traces",
		"application/x-protobuf", bytes.NewReader(body))
	noError(t, err)
	noError(t, resp.Body.Close())
	equal(t, http.StatusOK, resp.StatusCode)
	equal(t, "application/x-protobuf", resp.Header.Get("Content-Type"))
	records := got.all()
	equal(t, 2, len(records))
	equal(t, records[0].ParentID, records[0].Claim.SpanID)
	equal(t, records[0].TraceID, records[0].Claim.TraceID)
	equal(t, 200, int(records[0].Status))
	equal(t, 0x301, int(records[0].Flags))
	equal(t, true, records[0].Descriptor == records[1].Descriptor)
}
