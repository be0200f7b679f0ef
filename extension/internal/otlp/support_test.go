package otlp_test

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// bag collects records from several goroutines.
type bag struct {
	mu      sync.Mutex
	records []span.Record
}

func (b *bag) add(batch []span.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, batch...)
}

func (b *bag) all() []span.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.records)
}

// listen starts a receiver on free loopback ports and stops it at the end.
func listen(tb testing.TB, edit func(*otlp.Config)) (*otlp.Receiver, *bag) {
	tb.Helper()
	b := new(bag)
	cfg := otlp.Config{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", Sink: b.add}
	if edit != nil {
		edit(&cfg)
	}
	r, err := otlp.Listen(cfg)
	noError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		noError(tb, r.Shutdown(ctx))
	})
	return r, b
}

func text(key, v string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{
		Value: &common.AnyValue_StringValue{StringValue: v},
	}}
}

func integer(key string, v int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{
		Value: &common.AnyValue_IntValue{IntValue: v},
	}}
}

func traceID(n uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, 0x0102030405060708)
	return binary.BigEndian.AppendUint64(b, n)
}

func spanID(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// serverSpan is a span as common HTTP server instrumentations report it.
func serverSpan(n uint64) *trace.Span {
	claim := tracecontext.Correlation{
		TraceID: tracecontext.TraceID(traceID(n)), SpanID: tracecontext.SpanID(spanID(n)),
	}
	return &trace.Span{
		TraceId: traceID(n), SpanId: spanID(n + 1), ParentSpanId: spanID(n),
		Name: "GET /items/{id}", Kind: trace.Span_SPAN_KIND_SERVER, Flags: 0x301,
		StartTimeUnixNano: 1_700_000_000_000_000_000, EndTimeUnixNano: 1_700_000_000_001_000_000,
		Attributes: []*common.KeyValue{
			text("server.address", "127.0.0.1"), integer("server.port", 8080),
			text("network.peer.address", "127.0.0.1"), integer("network.peer.port", 40000),
			text("http.request.method", "GET"), text("url.scheme", "http"),
			text("url.path", "/items/17"), text("http.route", "/items/{id}"),
			text("user_agent.original", "k6/2.2.0 (https://grafana.com) "+claim.String()),
			integer("http.response.status_code", 200),
			text("network.protocol.version", "1.1"),
		},
		Status: &trace.Status{},
	}
}

func request(service string, spans ...*trace.Span) *collector.ExportTraceServiceRequest {
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			text("telemetry.sdk.language", "go"), text("service.name", service),
		}},
		ScopeSpans: []*trace.ScopeSpans{{
			Scope: &common.InstrumentationScope{Name: "otelhttp", Version: "0.72.0"},
			Spans: spans,
		}},
	}}}
}

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.Marshal(m)
	noError(tb, err)
	return b
}
