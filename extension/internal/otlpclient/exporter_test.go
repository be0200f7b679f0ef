package otlpclient

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// endpoint is a client that reads what it is given, as an endpoint would.
type endpoint struct {
	fail error
	wait func() // before a request is read

	mu   sync.Mutex
	got  []*coltracepb.ExportTraceServiceRequest
	size int // of all requests, in bytes
	errs []error
}

func (*endpoint) Start(context.Context) error { return nil }
func (*endpoint) Stop(context.Context) error  { return nil }

func (e *endpoint) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	if e.wait != nil {
		e.wait()
	}
	wire, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: spans})
	request := &coltracepb.ExportTraceServiceRequest{}
	err = errors.Join(err, proto.Unmarshal(wire, request))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.size += len(wire)
	e.got, e.errs = append(e.got, request), append(e.errs, err)
	return e.fail
}

// one is the only request that came.
func (e *endpoint) one(t require.TestingT) *coltracepb.ExportTraceServiceRequest {
	require.Len(t, e.got, 1)
	require.NoError(t, e.errs[0])
	return e.got[0]
}

func start(t require.TestingT, client otlptrace.Client) *Exporter {
	exporter, err := New(context.Background(), client)
	require.NoError(t, err)
	return exporter
}

// tracer makes spans and gives back those that have ended.
func tracer(limits sdktrace.SpanLimits) (trace.Tracer, *tracetest.InMemoryExporter) {
	memory := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSyncer(memory), sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewWithAttributes("https://example.org/resource",
			attribute.String("service.name", "load"), attribute.Int("size", 3))))
	return provider.Tracer("scope", trace.WithInstrumentationVersion("1.2.3"),
		trace.WithSchemaURL("https://example.org/scope"),
		trace.WithInstrumentationAttributes(attribute.Bool("own", true))), memory
}

// text has lengths on both sides of where the length itself takes a byte more.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Just(""),
		rapid.Map(rapid.IntRange(100, 130), func(n int) string { return strings.Repeat("x", n) }),
		rapid.Map(rapid.IntRange(16_300, 16_390), func(n int) string { return strings.Repeat("x", n) }))
}

func value(depth int) *rapid.Generator[attribute.Value] {
	kinds := []*rapid.Generator[attribute.Value]{
		rapid.Map(text(), attribute.StringValue),
		rapid.Map(rapid.Int64(), attribute.Int64Value),
		rapid.Map(rapid.Bool(), attribute.BoolValue),
		rapid.Map(rapid.Float64(), attribute.Float64Value),
		rapid.Map(rapid.SliceOf(rapid.String()), attribute.StringSliceValue),
		rapid.Map(rapid.SliceOf(rapid.Int64()), attribute.Int64SliceValue),
		rapid.Map(rapid.SliceOf(rapid.Bool()), attribute.BoolSliceValue),
		rapid.Map(rapid.SliceOf(rapid.Float64()), attribute.Float64SliceValue),
		rapid.Map(rapid.SliceOf(rapid.Byte()), attribute.ByteSliceValue),
		rapid.Just(attribute.Value{}),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(v []attribute.Value) attribute.Value {
				return attribute.SliceValue(v...)
			}),
			rapid.Map(attributes(depth-1, 3), func(kv []attribute.KeyValue) attribute.Value {
				return attribute.MapValue(kv...)
			}))
	}
	return rapid.OneOf(kinds...)
}

func attributes(depth, most int) *rapid.Generator[[]attribute.KeyValue] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) attribute.KeyValue {
		return attribute.KeyValue{
			Key: attribute.Key(rapid.String().Draw(t, "key")), Value: value(depth).Draw(t, "value"),
		}
	}), 0, most)
}

func moment() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.OneOf(rapid.Just(int64(1)), rapid.Just(int64(-1)), rapid.Int64()),
		func(ns int64) time.Time { return time.Unix(0, ns) })
}

// spanContext has a tracestate and may be remote, or is none at all.
func spanContext(t *rapid.T) trace.SpanContext {
	if rapid.Bool().Draw(t, "none") {
		return trace.SpanContext{}
	}
	state, err := trace.ParseTraceState("foo=1,bar=2")
	require.NoError(t, err)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{byte(rapid.IntRange(1, 255).Draw(t, "id"))},
		TraceFlags: trace.TraceFlags(rapid.Byte().Draw(t, "flags")), TraceState: state,
		Remote: rapid.Bool().Draw(t, "remote"),
	})
}

// drawSpan makes a span of all that the SDK lets a span be.
func drawSpan(t *rapid.T, tracer trace.Tracer) {
	ctx := trace.ContextWithSpanContext(context.Background(), spanContext(t))
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKind(rapid.IntRange(0, 6).Draw(t, "kind"))),
		trace.WithTimestamp(moment().Draw(t, "start")),
		trace.WithAttributes(attributes(2, 12).Draw(t, "attributes")...),
	}
	for range rapid.IntRange(0, 3).Draw(t, "links") {
		options = append(options, trace.WithLinks(trace.Link{
			SpanContext: spanContext(t), Attributes: attributes(1, 4).Draw(t, "of a link"),
		}))
	}
	_, span := tracer.Start(ctx, text().Draw(t, "name"), options...)
	for range rapid.IntRange(0, 3).Draw(t, "events") {
		span.AddEvent(text().Draw(t, "event"), trace.WithTimestamp(moment().Draw(t, "at")),
			trace.WithAttributes(attributes(1, 4).Draw(t, "of an event")...))
	}
	span.SetStatus(codes.Code(rapid.Uint32Range(0, 2).Draw(t, "status")), text().Draw(t, "why"))
	span.End(trace.WithTimestamp(moment().Draw(t, "end")))
}

// TestSpansReadAsThoseOfTheLibrary compares what an endpoint reads with what it
// reads of package otlptrace's own exporter.
func TestSpansReadAsThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tracer, memory := tracer(sdktrace.SpanLimits{
			AttributeValueLengthLimit: -1, AttributeCountLimit: 8, EventCountLimit: 2,
			LinkCountLimit: 2, AttributePerEventCountLimit: 3, AttributePerLinkCountLimit: 3,
		})
		for range rapid.IntRange(1, 3).Draw(t, "spans") {
			drawSpan(t, tracer)
		}
		spans := memory.GetSpans().Snapshots()
		theirs, ours := &endpoint{}, &endpoint{}
		library, err := otlptrace.New(context.Background(), theirs)
		require.NoError(t, err)
		require.NoError(t, library.ExportSpans(context.Background(), spans))
		require.NoError(t, start(t, ours).ExportSpans(context.Background(), spans))
		require.True(t, proto.Equal(theirs.one(t), ours.one(t)),
			"theirs: %v\nours: %v", theirs.one(t), ours.one(t))
		require.Equal(t, theirs.size, ours.size, "nothing more than needed is written")
	})
}

func TestNumbersBeyondTheirField(t *testing.T) {
	t.Parallel()
	spans := tracetest.SpanStubs{
		{DroppedAttributes: 1 << 40, DroppedEvents: -1, DroppedLinks: math.MaxUint32},
	}.Snapshots()
	client := &endpoint{}
	require.NoError(t, start(t, client).ExportSpans(t.Context(), spans))
	got := client.one(t).GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0]
	assert.Equal(t, uint32(math.MaxUint32), got.GetDroppedAttributesCount())
	assert.Zero(t, got.GetDroppedEventsCount())
	assert.Equal(t, uint32(math.MaxUint32), got.GetDroppedLinksCount())
}

func TestTextsThatAreNoUTF8AreReplaced(t *testing.T) {
	t.Parallel()
	tracer, memory := tracer(sdktrace.NewSpanLimits())
	_, span := tracer.Start(t.Context(), "caf\xe9", trace.WithAttributes(
		attribute.String("url.full", "http://shop/caf\xe9?x"),
		attribute.StringSlice("http.response.header.x-name", []string{"\xff", "ok"})))
	span.End()
	client := &endpoint{}
	require.NoError(t, start(t, client).ExportSpans(t.Context(), memory.GetSpans().Snapshots()))
	got := client.one(t).GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0]
	assert.Equal(t, "caf\uFFFD", got.GetName())
	assert.Equal(t, "http://shop/caf\uFFFD?x", got.GetAttributes()[0].GetValue().GetStringValue())
	values := got.GetAttributes()[1].GetValue().GetArrayValue().GetValues()
	assert.Equal(t, "\uFFFD", values[0].GetStringValue())
	assert.Equal(t, "ok", values[1].GetStringValue())
}

func TestErrorOfTheClient(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	exporter := start(t, &endpoint{fail: refused})
	tracer, memory := tracer(sdktrace.NewSpanLimits())
	_, span := tracer.Start(t.Context(), "span")
	span.End()
	require.NoError(t, exporter.ExportSpans(t.Context(), nil), "nothing is sent")
	require.ErrorIs(t, exporter.ExportSpans(t.Context(), memory.GetSpans().Snapshots()), refused)
}

// TestBatchesAtTheSameTime sends batches that are all written before one of them
// is read, and then as many again.
func TestBatchesAtTheSameTime(t *testing.T) {
	t.Parallel()
	const rounds, batches, size = 3, 4, 50
	client := &endpoint{}
	exporter := start(t, client)
	for range rounds {
		var written, sent sync.WaitGroup
		written.Add(batches)
		client.wait = func() {
			written.Done()
			written.Wait()
		}
		for range batches {
			tracer, memory := tracer(sdktrace.NewSpanLimits())
			for range size {
				_, span := tracer.Start(t.Context(), "span")
				span.End()
			}
			sent.Go(func() {
				assert.NoError(t, exporter.ExportSpans(context.Background(), memory.GetSpans().Snapshots()))
			})
		}
		sent.Wait()
	}
	seen := make(map[string]bool)
	for i, request := range client.got {
		require.NoError(t, client.errs[i])
		spans := request.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
		require.Len(t, spans, size)
		for _, s := range spans {
			seen[string(s.GetSpanId())] = true
		}
	}
	assert.Len(t, seen, rounds*batches*size)
	assert.Len(t, exporter.buffers, batches, "they are used again")
}

// BenchmarkExportSpans compares a batch of the load's CLIENT spans with the same
// one written by package otlptrace.
func BenchmarkExportSpans(b *testing.B) {
	tracer, memory := tracer(sdktrace.NewSpanLimits())
	const batch = 512
	for range batch {
		_, span := tracer.Start(b.Context(), "GET /cart/{id}",
			trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
				attribute.String("http.request.method", "GET"),
				attribute.String("server.address", "127.0.0.1"), attribute.Int("server.port", 8080),
				attribute.String("url.full", "http://127.0.0.1:8080/cart/17"),
				attribute.String("user_agent.synthetic.type", "test"),
				attribute.Int("http.response.status_code", 200),
				attribute.String("network.protocol.version", "1.1"),
				attribute.String("network.peer.address", "127.0.0.1"),
				attribute.Int("network.peer.port", 8080),
				attribute.String("continuity.scenario", "default"),
				attribute.String("continuity.name", "http://127.0.0.1:8080/cart/{id}")))
		span.End()
	}
	spans := memory.GetSpans().Snapshots()
	for _, side := range []struct {
		name string
		make func(otlptrace.Client) (sdktrace.SpanExporter, error)
	}{
		{"otlptrace", func(c otlptrace.Client) (sdktrace.SpanExporter, error) {
			return otlptrace.New(context.Background(), c)
		}},
		{"ours", func(c otlptrace.Client) (sdktrace.SpanExporter, error) {
			return New(context.Background(), c)
		}},
	} {
		b.Run(side.name, func(b *testing.B) {
			exporter, err := side.make(&marshals{})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if err := exporter.ExportSpans(context.Background(), spans); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/span")
		})
	}
}

// marshals is a client that writes its messages, as those of gRPC and HTTP do.
type marshals struct{ frame }

func (*marshals) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	_, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: spans})
	return err
}
