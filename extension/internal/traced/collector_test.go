package traced

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

// collector is a real OTLP/gRPC endpoint.
type collector struct {
	coltracepb.UnimplementedTraceServiceServer

	address string
	// answer decides about the n-th request, from 1; nil accepts.
	answer func(ctx context.Context, n int, spans int) (*coltracepb.ExportTraceServiceResponse, error)

	mu         sync.Mutex
	requests   []*coltracepb.ExportTraceServiceRequest
	metadata   []metadata.MD
	encodings  []string
	spans      int // of accepted requests
	inProgress chan struct{}
}

func newCollector(
	tb testing.TB,
	answer func(context.Context, int, int) (*coltracepb.ExportTraceServiceResponse, error),
	options ...grpc.ServerOption,
) *collector {
	tb.Helper()
	c := &collector{answer: answer, inProgress: make(chan struct{}, 1024)}
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	server := grpc.NewServer(append(options, grpc.StatsHandler(c))...)
	coltracepb.RegisterTraceServiceServer(server, c)
	c.address = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	tb.Cleanup(func() {
		server.Stop()
		<-done
	})
	return c
}

// Export implements the OTLP trace service.
func (c *collector) Export(
	ctx context.Context, req *coltracepb.ExportTraceServiceRequest,
) (*coltracepb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	c.mu.Lock()
	c.requests = append(c.requests, req)
	c.metadata = append(c.metadata, md)
	n := len(c.requests)
	c.mu.Unlock()
	c.inProgress <- struct{}{}
	response := &coltracepb.ExportTraceServiceResponse{}
	if c.answer != nil {
		var err error
		if response, err = c.answer(ctx, n, len(spansOf(req))); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans += len(spansOf(req)) - int(response.GetPartialSuccess().GetRejectedSpans())
	return response, nil
}

// TagRPC, HandleRPC, TagConn and HandleConn implement stats.Handler.
func (*collector) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *collector) HandleRPC(_ context.Context, s stats.RPCStats) {
	if header, ok := s.(*stats.InHeader); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.encodings = append(c.encodings, header.Compression)
	}
}

func (*collector) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (*collector) HandleConn(context.Context, stats.ConnStats) {}

// received is the number of requests and of accepted spans.
func (c *collector) received() (requests, spans int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests), c.spans
}

func spansOf(req *coltracepb.ExportTraceServiceRequest) []*tracepb.Span {
	var out []*tracepb.Span
	for _, resource := range req.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			out = append(out, scope.GetSpans()...)
		}
	}
	return out
}

// exporting is a provider that exports to a real endpoint.
type exporting struct {
	*Provider

	tb       testing.TB
	mu       sync.Mutex
	warnings []string
}

func newExporting(tb testing.TB, env map[string]string) *exporting {
	tb.Helper()
	e := &exporting{tb: tb}
	var err error
	e.Provider, err = NewProvider(tb.Context(), ProviderConfig{
		ServiceName: "k6", ServiceVersion: "2.2.0", Version: "1.2.3",
		Getenv: func(name string) string { return env[name] },
		Warn: func(message string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.warnings = append(e.warnings, message)
		},
	})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Shutdown(ctx) // done already, in most tests
	})
	return e
}

// burst starts and ends n spans.
func (e *exporting) burst(n int) {
	for i := range n {
		_, s := e.tracer.Start(context.Background(), fmt.Sprint("span ", i))
		s.End()
	}
}

// shutdown is the end of a test whose endpoint answers.
func (e *exporting) shutdown() {
	e.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(e.tb, e.Shutdown(ctx))
}

// told are the warnings so far.
func (e *exporting) told() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.warnings
}

// identity asserts that every span is accounted for, and returns the ledger.
func (e *exporting) identity() Ledger {
	e.tb.Helper()
	l := e.Stats()
	assert.Equal(e.tb, l.Started, l.Exported+l.Failed+l.Dropped+l.InFlight, "%+v", l)
	return l
}
