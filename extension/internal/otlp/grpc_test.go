package otlp_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
)

// dial connects to the receiver's gRPC address.
func dial(tb testing.TB, r *otlp.Receiver, options ...grpc.DialOption) *grpc.ClientConn {
	tb.Helper()
	options = append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, options...)
	cc, err := grpc.NewClient(r.GRPCAddr(), options...)
	noError(tb, err)
	tb.Cleanup(func() { noError(tb, cc.Close()) })
	return cc
}

// rawBytes sends a []byte as it is, to make malformed messages.
type rawBytes struct{}

func (rawBytes) Name() string { return "proto" }

func (rawBytes) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawBytes) Unmarshal(mem.BufferSlice, any) error { return nil }

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

func TestGRPCAnswersAsTheSpecificationDemands(t *testing.T) {
	t.Parallel()
	good := marshal(t, request("a", serverSpan(1)))
	large := marshal(t, request(strings.Repeat("x", 5000), serverSpan(1)))
	cases := []struct {
		name  string
		body  []byte
		gzip  bool
		code  codes.Code
		spans int
	}{
		{"good", good, false, codes.OK, 1},
		{"good gzip", good, true, codes.OK, 1},
		{"empty", nil, false, codes.OK, 0},
		{"empty gzip", nil, true, codes.OK, 0},
		{"malformed", good[:len(good)-3], false, codes.InvalidArgument, 0},
		{"malformed gzip", packed(t, good)[:60], false, codes.InvalidArgument, 0},
		{"too large", large, false, codes.ResourceExhausted, 0},
		{"too large after decompression", large, true, codes.ResourceExhausted, 0},
		{"compression bomb", make([]byte, 1<<21), true, codes.ResourceExhausted, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, got := listen(t, func(cfg *otlp.Config) { cfg.HTTP = ""; cfg.MaxBytes = 4096 })
			options := []grpc.CallOption{grpc.ForceCodecV2(rawBytes{})}
			if c.gzip {
				options = append(options, grpc.UseCompressor(gzip.Name))
			}
			err := dial(t, r).Invoke(context.Background(), exportMethod, c.body, nil, options...)
			s := status.Convert(err)
			equal(t, c.code, s.Code())
			equal(t, 0, len(s.Details()))
			equal(t, c.spans, len(got.all()))
			noError(t, r.Shutdown(t.Context())) // gRPC refuses what is too large before it is counted
			equal(t, c.code != codes.OK, r.Stats().BadRequests == 1)
		})
	}
}

func TestGRPCPartialSuccess(t *testing.T) {
	t.Parallel()
	r, got := listen(t, nil)
	bad := serverSpan(1)
	bad.SpanId = make([]byte, 8)
	response, err := collector.NewTraceServiceClient(dial(t, r)).
		Export(context.Background(), request("a", bad, serverSpan(3)))
	noError(t, err)
	equal(t, 1, int(response.GetPartialSuccess().GetRejectedSpans()))
	equal(t, "span_id must not be all zeros", response.GetPartialSuccess().GetErrorMessage())
	equal(t, 1, len(got.all()))
}

func TestOtherSignalsAreDiscardedWithSuccess(t *testing.T) {
	t.Parallel()
	var warnings []string
	r, got := listen(t, func(c *otlp.Config) {
		c.OnWarn = func(s string) { warnings = append(warnings, s) }
	})
	cc := dial(t, r)
	for range 2 {
		_, err := collogs.NewLogsServiceClient(cc).
			Export(context.Background(), &collogs.ExportLogsServiceRequest{})
		noError(t, err)
		_, err = colmetrics.NewMetricsServiceClient(cc).
			Export(context.Background(), &colmetrics.ExportMetricsServiceRequest{})
		noError(t, err)
	}
	_, err := grpc_health_v1.NewHealthClient(cc).
		Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	equal(t, codes.Unimplemented, status.Code(err))
	equal(t, 4, int(r.Stats().Discarded))
	equal(t, 0, int(r.Stats().Requests))
	equal(t, 2, len(warnings))
	equal(t, 0, len(got.all()))
}

func TestPressureAsksSendersToTryAgain(t *testing.T) {
	t.Parallel()
	r, got := listen(t, func(c *otlp.Config) { otlp.SetTimeouts(c, time.Minute, 10*time.Millisecond) })
	client := collector.NewTraceServiceClient(dial(t, r))
	body := marshal(t, request("a", serverSpan(1)))
	header := map[string]string{"Content-Type": typeProtobuf}
	release := r.Occupy()

	resp, answer := send(t, r, "POST", "/v1/traces", header, body)
	equal(t, 503, resp.StatusCode)
	equal(t, "1", resp.Header.Get("Retry-After"))
	equal(t, int32(codes.Unavailable), statusOf(t, typeProtobuf, answer).GetCode())
	resp, _ = send(t, r, "POST", "/v1/traces", header, make([]byte, 1<<20))
	equal(t, 503, resp.StatusCode)

	_, err := client.Export(context.Background(), request("a", serverSpan(1)))
	s := status.Convert(err)
	equal(t, codes.Unavailable, s.Code())
	equal(t, 1, len(s.Details()))
	equal(t, int64(1), s.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().GetSeconds())
	equal(t, 3, int(r.Stats().Busy))

	release()
	_, err = client.Export(context.Background(), request("a", serverSpan(1)))
	noError(t, err)
	equal(t, 1, len(got.all()))
}

func TestASlowGRPCSenderIsCutOff(t *testing.T) {
	t.Parallel()
	r, _ := listen(t, func(c *otlp.Config) { otlp.SetTimeouts(c, 2*time.Second, time.Minute) }) // time for the other one
	stream, err := dial(t, r).NewStream(context.Background(),
		&grpc.StreamDesc{ClientStreams: true}, exportMethod)
	noError(t, err)
	err = stream.RecvMsg(new(collector.ExportTraceServiceResponse))
	equal(t, codes.DeadlineExceeded, status.Code(err))
	_, err = collector.NewTraceServiceClient(dial(t, r)).
		Export(context.Background(), request("a", serverSpan(1)))
	noError(t, err)
}

func TestTheProcessesCodecsAreLeftAlone(t *testing.T) {
	t.Parallel()
	before := encoding.GetCodecV2("proto")
	r, _ := listen(t, nil)
	_, err := collector.NewTraceServiceClient(dial(t, r)).
		Export(context.Background(), request("a", serverSpan(1)))
	noError(t, err)
	equal(t, before, encoding.GetCodecV2("proto"))
}

func TestATokenIsAskedFor(t *testing.T) {
	t.Parallel()
	r, got := listen(t, func(c *otlp.Config) { c.Token = "s3cret" })
	client := collector.NewTraceServiceClient(dial(t, r))
	body := marshal(t, request("a", serverSpan(1)))
	for value, ok := range map[string]bool{
		"": false, "Bearer wrong": false, "s3cret": false, "Basic s3cret": false,
		"Bearer s3cret": true, "bearer s3cret": true,
	} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", value)
		_, err := client.Export(ctx, request("a", serverSpan(1)))
		code, httpStatus := codes.OK, 200
		if !ok {
			code, httpStatus = codes.Unauthenticated, 401
		}
		equal(t, code, status.Code(err))
		resp, _ := send(t, r, "POST", "/v1/traces", map[string]string{
			"Content-Type": typeProtobuf, "Authorization": value,
		}, body)
		equal(t, httpStatus, resp.StatusCode)
	}
	equal(t, 8, int(r.Stats().Unauthorized))
	equal(t, 4, len(got.all()))
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t)
	r, got := listen(t, func(c *otlp.Config) { c.TLSCert, c.TLSKey = cert, key })
	secure := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	cc := dial(t, r, grpc.WithTransportCredentials(credentials.NewTLS(secure)))
	_, err := collector.NewTraceServiceClient(cc).
		Export(context.Background(), request("a", serverSpan(1)))
	noError(t, err)
	status, err := postTLS(r.HTTPAddr(), secure, marshal(t, request("a", serverSpan(1))))
	noError(t, err)
	equal(t, 200, status)
	equal(t, 2, len(got.all()))
}
