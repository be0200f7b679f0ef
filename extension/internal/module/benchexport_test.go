package module

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// startWithExport starts a whole run without a source whose client spans go to
// an OTLP/gRPC endpoint that takes every batch without looking at it.
func startWithExport(b *testing.B, r *run) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := grpc.NewServer(grpc.ForceServerCodec(blindCodec{}))
	coltrace.RegisterTraceServiceServer(server, takeAll{})
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	go func() { _ = server.Serve(listener) }() // until Stop
	b.Cleanup(server.Stop)
	startWithoutSource(b, r)
	b.Cleanup(func() { _ = r.provider.Shutdown(context.Background()) })
}

type takeAll struct {
	coltrace.UnimplementedTraceServiceServer
}

// Export implements the OTLP trace service.
func (takeAll) Export(
	context.Context, *coltrace.ExportTraceServiceRequest,
) (*coltrace.ExportTraceServiceResponse, error) {
	return &coltrace.ExportTraceServiceResponse{}, nil
}

// blindCodec reads nothing and writes empty messages.
type blindCodec struct{}

// Marshal implements encoding.Codec.
func (blindCodec) Marshal(any) ([]byte, error) { return nil, nil }

// Unmarshal implements encoding.Codec.
func (blindCodec) Unmarshal([]byte, any) error { return nil }

// Name implements encoding.Codec.
func (blindCodec) Name() string { return "proto" }
