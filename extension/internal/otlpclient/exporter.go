package otlpclient

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Exporter exports the spans of one tracer: all have its resource and its scope.
// It is safe for concurrent use.
type Exporter struct {
	client otlptrace.Client

	mu      sync.Mutex
	buffers [][]byte // of batches that have been sent
}

var _ sdktrace.SpanExporter = &Exporter{}

// New starts the client and makes an exporter of it.
func New(ctx context.Context, client otlptrace.Client) (*Exporter, error) {
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	return &Exporter{client: client}, nil
}

// maxBuffer is the largest buffer that is kept, in bytes.
const maxBuffer = 8 << 20

// take returns an empty buffer. There are as many as batches were under way at once.
func (e *Exporter) take() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := len(e.buffers) - 1
	if last < 0 {
		return nil
	}
	buffer := e.buffers[last]
	e.buffers = e.buffers[:last]
	return buffer[:0]
}

func (e *Exporter) giveBack(buffer []byte) {
	if cap(buffer) > maxBuffer {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buffers = append(e.buffers, buffer)
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	frame, err := frameOf(ctx, spans[0])
	if err != nil {
		return fmt.Errorf("describing spans: %w", err)
	}
	written := e.take()
	for _, s := range spans {
		written = appendSpan(written, s)
	}
	frame[0].GetScopeSpans()[0].ProtoReflect().SetUnknown(written)
	err = e.client.UploadTraces(ctx, frame) // it keeps nothing
	e.giveBack(written)
	if err != nil {
		return fmt.Errorf("traces export: %w", err)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *Exporter) Shutdown(ctx context.Context) error { return e.client.Stop(ctx) }

// frameOf is what a batch says around its spans, as package otlptrace says it.
func frameOf(ctx context.Context, s sdktrace.ReadOnlySpan) (frame, error) {
	var taken frame
	err := otlptrace.NewUnstarted(&taken).ExportSpans(ctx, []sdktrace.ReadOnlySpan{s})
	if err == nil {
		taken[0].GetScopeSpans()[0].Spans = nil
	}
	return taken, err
}

// frame is the client of an exporter whose messages are taken from it.
type frame []*tracepb.ResourceSpans

var _ otlptrace.Client = &frame{}

// UploadTraces implements otlptrace.Client.
func (f *frame) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	*f = spans
	return nil
}

// Start implements otlptrace.Client.
func (*frame) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (*frame) Stop(context.Context) error { return nil }
