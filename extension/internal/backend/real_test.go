package backend_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// TestARealBackendTellsTheSameAsTheReceiver sends the same spans to a running
// backend and to the embedded receiver, and compares the records. It needs
//
//	CONTINUITY_BACKEND=jaeger=http://127.0.0.1:16686   (or tempo=…)
//	CONTINUITY_BACKEND_OTLP=127.0.0.1:4317             its OTLP/gRPC address
func TestARealBackendTellsTheSameAsTheReceiver(t *testing.T) {
	t.Parallel()
	option, address := os.Getenv("CONTINUITY_BACKEND"), os.Getenv("CONTINUITY_BACKEND_OTLP")
	if option == "" || address == "" {
		t.Skip("CONTINUITY_BACKEND and CONTINUITY_BACKEND_OTLP are not set")
	}
	spec, err := backend.ParseSource(option)
	noError(t, err)
	src, err := backend.NewSource(spec, backend.QueryConfig{})
	noError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	noError(t, src.Check(ctx))

	var received []span.Record
	r, err := otlp.Listen(otlp.Config{GRPC: "127.0.0.1:0", Sink: func(b []span.Record) {
		received = append(received, b...)
	}})
	noError(t, err)
	id := idOf(uint64(time.Now().UnixNano()))
	_, status, err := src.Fetch(ctx, id)
	noError(t, err)
	equal(t, backend.Absent, status)
	req := realSpans(id)
	for _, a := range []string{address, r.GRPCAddr()} {
		export(ctx, t, a, req)
	}
	noError(t, r.Shutdown(ctx))

	var fetched []span.Record
	for status != backend.Found || len(fetched) < len(received) {
		fetched, status, err = src.Fetch(ctx, id)
		noError(t, err)
		select {
		case <-ctx.Done():
			t.Fatalf("want %d spans, got %d", len(received), len(fetched))
		case <-time.After(100 * time.Millisecond):
		}
	}
	equal(t, len(received), len(fetched))
	for _, records := range [][]span.Record{received, fetched} {
		slices.SortFunc(records, func(a, b span.Record) int {
			return cmp.Or(slices.Compare(a.SpanID[:], b.SpanID[:]), cmp.Compare(a.Kind, b.Kind))
		})
	}
	for i := range received {
		equal(t, *received[i].Descriptor, *fetched[i].Descriptor)
		received[i].Descriptor, fetched[i].Descriptor = nil, nil
		equal(t, received[i], fetched[i])
	}
	if c, ok := src.(interface{ CloseIdle() }); ok {
		c.CloseIdle()
	}
}

func export(
	ctx context.Context, t *testing.T, address string, req *collector.ExportTraceServiceRequest,
) {
	t.Helper()
	cc, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	noError(t, err)
	_, err = collector.NewTraceServiceClient(cc).Export(ctx, req)
	noError(t, err)
	noError(t, cc.Close())
}

// realSpans is a trace through two services, with what backends are tempted to
// change: a clock an hour off, an unknown parent, tracestate, flags, and no
// service name.
func realSpans(id tracecontext.TraceID) *collector.ExportTraceServiceRequest {
	text := func(key, v string) *common.KeyValue {
		return &common.KeyValue{Key: key, Value: &common.AnyValue{
			Value: &common.AnyValue_StringValue{StringValue: v},
		}}
	}
	spanID := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	start := uint64(time.Now().UnixNano())
	claim := tracecontext.Correlation{TraceID: id, SpanID: tracecontext.SpanID{9}}
	server := func(n, parent uint64, at uint64) *trace.Span {
		return &trace.Span{
			TraceId: id[:], SpanId: spanID(n), ParentSpanId: spanID(parent), Name: "GET /items/{id}",
			Kind: trace.Span_SPAN_KIND_SERVER, Flags: 0x301, TraceState: "a=1,b=2",
			StartTimeUnixNano: at, EndTimeUnixNano: at + 1_000_001,
			Attributes: []*common.KeyValue{
				text("http.request.method", "GET"), text("http.route", "/items/{id}"),
				text("user_agent.original", "k6 "+claim.String()),
				{Key: "http.response.status_code", Value: &common.AnyValue{
					Value: &common.AnyValue_IntValue{IntValue: 503},
				}},
			},
			Status: &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "x"},
		}
	}
	group := func(attrs []*common.KeyValue, spans ...*trace.Span) *trace.ResourceSpans {
		return &trace.ResourceSpans{
			Resource: &resource.Resource{Attributes: attrs},
			ScopeSpans: []*trace.ScopeSpans{{
				Scope: &common.InstrumentationScope{Name: "lib", Version: "1"}, Spans: spans,
			}},
		}
	}
	client := server(2, 1, start)
	client.Kind, client.Status = trace.Span_SPAN_KIND_CLIENT, nil
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{
		group([]*common.KeyValue{text("service.name", "gateway")}, server(1, 77, start), client),
		group([]*common.KeyValue{text("service.name", "stock")}, server(3, 2, start-3_600_000_000_000)),
		group(nil, server(4, 3, start+5)),
	}}
}
