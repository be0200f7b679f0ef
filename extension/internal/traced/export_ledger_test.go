package traced

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
)

// to is the environment of an endpoint, with more variables as name, value and so on.
func to(address string, more ...string) map[string]string {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func TestLedgerOfACollectorThatIsDown(t *testing.T) {
	t.Parallel()
	e := newExporting(t, to(loopbacktest.Address(t), "OTEL_EXPORTER_OTLP_TIMEOUT", "300",
		"OTEL_BSP_MAX_QUEUE_SIZE", "500", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100"))
	e.burst(20_000)
	l := e.identity()
	assert.Equal(t, uint64(20_000), l.Started)
	assert.Zero(t, l.Exported)
	assert.Positive(t, l.Dropped, "the queue of 500 is full")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, e.Shutdown(ctx))
	l = e.identity()
	assert.Zero(t, l.Exported)
	assert.Zero(t, l.InFlight)
	assert.Equal(t, uint64(20_000), l.Failed+l.Dropped)
	assert.GreaterOrEqual(t, l.Failed, uint64(500))
	require.Len(t, e.told(), 1, "told once")
	assert.Contains(t, e.told()[0], "exporting client spans: ")
}

func TestLedgerOfACollectorThatAnswersAfter50ms(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(ctx context.Context, _, _ int) (*coltracepb.ExportTraceServiceResponse, error) {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
		return &coltracepb.ExportTraceServiceResponse{}, nil
	})
	e := newExporting(t, to(c.address))
	const perTick, ticks = 1_000, 40 // 20k spans/s for two seconds
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range ticks {
		e.burst(perTick)
		e.identity()
		<-ticker.C
	}
	e.shutdown()
	l := e.identity()
	assert.Equal(t, Ledger{
		Started: perTick * ticks, Exported: perTick * ticks, Exporting: true, Endpoint: "http://" + c.address,
	}, l, "nothing is lost")
	_, spans := c.received()
	assert.Equal(t, perTick*ticks, spans)
	assert.Empty(t, e.told())
}

func TestLedgerOfUnavailableTwiceThenOK(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(_ context.Context, n, _ int) (*coltracepb.ExportTraceServiceResponse, error) {
		if n <= 2 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		return &coltracepb.ExportTraceServiceResponse{}, nil
	})
	e := newExporting(t, to(c.address))
	e.burst(100)
	e.shutdown()
	l := e.identity()
	assert.Equal(t, uint64(100), l.Exported)
	assert.Zero(t, l.Failed+l.Dropped+l.InFlight)
	requests, spans := c.received()
	assert.Equal(t, 100, spans)
	assert.GreaterOrEqual(t, requests, 3)
	assert.Empty(t, e.told(), "nothing was lost")
}

func TestLedgerOfResourceExhausted(t *testing.T) {
	t.Parallel()
	exhausted := status.New(codes.ResourceExhausted, "too busy")
	retryable, err := exhausted.WithDetails(&errdetails.RetryInfo{
		RetryDelay: durationpb.New(10 * time.Millisecond),
	})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		answer   *status.Status
		exported uint64
		requests int
	}{
		"with RetryInfo it is sent again":          {retryable, 50, 3},
		"without RetryInfo it is not, and counted": {exhausted, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, func(_ context.Context, n, _ int) (*coltracepb.ExportTraceServiceResponse, error) {
				if n <= 2 {
					return nil, tt.answer.Err()
				}
				return &coltracepb.ExportTraceServiceResponse{}, nil
			})
			e := newExporting(t, to(c.address))
			e.burst(50)
			e.shutdown()
			l := e.identity()
			requests, spans := c.received()
			assert.Equal(t, int(l.Exported), spans)
			assert.GreaterOrEqual(t, requests, tt.requests)
			assert.Zero(t, l.Dropped+l.InFlight)
			if tt.exported > 0 {
				assert.Equal(t, tt.exported, l.Exported)
				return
			}
			assert.Positive(t, l.Failed)
			require.Len(t, e.told(), 1)
			assert.Contains(t, e.told()[0], "too busy")
		})
	}
}

func TestLedgerOfPartialSuccess(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(_ context.Context, _, spans int) (*coltracepb.ExportTraceServiceResponse, error) {
		return &coltracepb.ExportTraceServiceResponse{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
			RejectedSpans: int64(spans / 2), ErrorMessage: "half of it is nonsense",
		}}, nil
	})
	e := newExporting(t, to(c.address))
	e.burst(100)
	e.shutdown()
	l := e.identity()
	_, spans := c.received()
	assert.Equal(t, uint64(spans), l.Exported)
	assert.Equal(t, uint64(100-spans), l.Failed)
	assert.Positive(t, l.Failed)
	require.Len(t, e.told(), 1)
	assert.Contains(t, e.told()[0], "half of it is nonsense")
}

func TestLedgerOfAPartialSuccessThatOnlyWarns(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(context.Context, int, int) (*coltracepb.ExportTraceServiceResponse, error) {
		return &coltracepb.ExportTraceServiceResponse{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
			ErrorMessage: "please upgrade",
		}}, nil
	})
	e := newExporting(t, to(c.address))
	e.burst(10)
	e.shutdown()
	assert.Equal(t, uint64(10), e.identity().Exported)
}

func TestForceFlushDoesNotWaitForTheDelay(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil)
	e := newExporting(t, to(c.address, "OTEL_BSP_SCHEDULE_DELAY", "3600000"))
	e.burst(10)
	require.NoError(t, e.ForceFlush(t.Context()))
	assert.Equal(t, uint64(10), e.identity().Exported)
	h, _ := held(t)
	slow := newExporting(t, to(h.address))
	slow.burst(10)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := slow.ForceFlush(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "10 spans are still queued")
}

func TestBatchTooLargeForTheCollectorGoesInHalves(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil, grpc.MaxRecvMsgSize(64<<10))
	e := newExporting(t, to(c.address, "OTEL_BSP_SCHEDULE_DELAY", "3600000"))
	big := trace.WithAttributes(attribute.String("url.full", strings.Repeat("x", 4<<10)))
	for range 100 {
		_, s := e.tracer.Start(t.Context(), "big", big)
		s.End()
	}
	_, s := e.tracer.Start(t.Context(), "hopeless",
		trace.WithAttributes(attribute.String("url.full", strings.Repeat("x", 65<<10))))
	s.End()
	e.shutdown()
	l := e.identity()
	assert.Equal(t, uint64(100), l.Exported)
	assert.Equal(t, uint64(1), l.Failed, "the span that is too large by itself")
	_, spans := c.received()
	assert.Equal(t, 100, spans)
}

func TestLedgerHoldsAtEveryMoment(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(_ context.Context, n, spans int) (*coltracepb.ExportTraceServiceResponse, error) {
		if n%3 == 0 {
			return nil, status.Error(codes.InvalidArgument, "no")
		}
		return &coltracepb.ExportTraceServiceResponse{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
			RejectedSpans: int64(spans % 2),
		}}, nil
	})
	e := newExporting(t, to(c.address,
		"OTEL_BSP_MAX_QUEUE_SIZE", "200", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7"))
	var senders sync.WaitGroup
	var stop atomic.Bool
	for range 4 {
		senders.Go(func() { e.burst(2_000) })
	}
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for !stop.Load() {
			e.identity()
		}
	})
	senders.Wait()
	e.shutdown()
	stop.Store(true)
	watcher.Wait()
	l := e.identity()
	_, spans := c.received()
	assert.Equal(t, uint64(8_000), l.Started)
	assert.Equal(t, int(l.Exported), spans)
	assert.Zero(t, l.InFlight)
	assert.Positive(t, l.Failed)
}

func TestNoEndpointMeansNoExport(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{
		"nothing is set":      {},
		"the SDK is off":      to("127.0.0.1:1", "OTEL_SDK_DISABLED", "TRUE"),
		"the exporter is off": to("127.0.0.1:1", "OTEL_TRACES_EXPORTER", "none"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExporting(t, env)
			server := newEcho(t)
			sink := &sinkLog{}
			client, err := NewClient(e.Provider, ClientConfig{}, sink)
			require.NoError(t, err)
			r := &rig{tb: t, provider: e.Provider, sink: sink}
			r.base = newBase(t)
			op := client.Start(t.Context(), operation("GET", server.URL))
			require.NoError(t, r.through(op, request(t, "GET", server.URL)))
			op.End(nil)
			assert.Contains(t, server.seen(0).Get("Traceparent"), op.TraceID().String(),
				"the header and the attempt are there all the same")
			assert.Len(t, sink.all(), 1)
			assert.Equal(t, Ledger{}, e.Stats())
			assert.Empty(t, e.told())
			e.shutdown()
		})
	}
}
