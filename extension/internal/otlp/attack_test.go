package otlp_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
)

// TestBadSendersDoNotHurtGoodOnes runs compression bombs, connections that
// say nothing, and connections that talk nonsense, against a good sender.
func TestBadSendersDoNotHurtGoodOnes(t *testing.T) { //nolint:paralleltest // it loads the machine
	r, got := listen(t, func(c *otlp.Config) { c.MaxBytes = 4 << 20 })
	for range 40 { // silent and babbling connections, on both ports
		for _, address := range []string{r.GRPCAddr(), r.HTTPAddr()} {
			silent, err := net.Dial("tcp", address)
			noError(t, err)
			babbling, err := net.Dial("tcp", address)
			noError(t, err)
			_, err = io.WriteString(babbling, "\x00\xff PRI nonsense\r\n\r\n")
			noError(t, err)
			t.Cleanup(func() { _, _ = silent.Close(), babbling.Close() })
		}
	}
	bomb := make([]byte, 8<<20) // beyond the limit once unpacked
	small := packed(t, bomb)
	var bombs sync.WaitGroup
	cc := dial(t, r)
	for range 16 {
		bombs.Go(func() { // refused as too large, or for now
			send(t, r, "POST", "/v1/traces", map[string]string{
				"Content-Type": typeProtobuf, "Content-Encoding": "gzip",
			}, small)
		})
	}
	bombs.Go(func() {
		err := cc.Invoke(context.Background(), exportMethod, bomb, nil,
			grpc.ForceCodecV2(rawBytes{}), grpc.UseCompressor(gzip.Name))
		if c := status.Code(err); c != codes.ResourceExhausted && c != codes.Unavailable {
			t.Errorf("want RESOURCE_EXHAUSTED or UNAVAILABLE, got %v", err)
		}
	})
	client := collector.NewTraceServiceClient(dial(t, r))
	for n := range uint64(50) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := client.Export(ctx, request("a", serverSpan(2*n+1)))
		cancel()
		noError(t, err)
	}
	bombs.Wait()
	equal(t, 50, len(got.all()))
	stats := r.Stats()
	equal(t, uint64(17), stats.BadRequests+stats.Busy)
	equal(t, true, stats.BadRequests > 0)
}
