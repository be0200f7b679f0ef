package traced

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

func TestSamplersDecideAsTheSDKs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		ratio float64
		sdk   sdktrace.Sampler
	}{
		{"always_on", 0, sdktrace.AlwaysSample()},
		{"always_off", 1, sdktrace.NeverSample()},
		{"traceidratio", 0, sdktrace.TraceIDRatioBased(0)},
		{"traceidratio", 0.1, sdktrace.TraceIDRatioBased(0.1)},
		{"traceidratio", 0.5, sdktrace.TraceIDRatioBased(0.5)},
		{"traceidratio", 1, sdktrace.TraceIDRatioBased(1)},
		{"parentbased_always_on", 0, sdktrace.ParentBased(sdktrace.AlwaysSample())},
		{"parentbased_always_off", 0, sdktrace.ParentBased(sdktrace.NeverSample())},
		{"parentbased_traceidratio", 0.3, sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.3))},
	} {
		ours, err := newSampler(tt.name, tt.ratio, nil)
		require.NoError(t, err)
		for range 2_000 {
			id := newTraceID()
			for _, parent := range []tracecontext.Traceparent{
				{}, {TraceID: id, SpanID: newSpanID()}, {TraceID: id, SpanID: newSpanID(), Flags: 1},
			} {
				ctx := withParent(t.Context(), parent, "", true)
				want := tt.sdk.ShouldSample(sdktrace.SamplingParameters{
					ParentContext: ctx, TraceID: trace.TraceID(id),
				})
				assert.Equal(t, want.Decision == sdktrace.RecordAndSample, bool(ours.sample(id, parent)),
					"%s %v %v %v", tt.name, tt.ratio, id, parent)
			}
		}
	}
}

func TestSamplerErrorsNameWhatIsAccepted(t *testing.T) {
	t.Parallel()
	for _, ratio := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		err := ClientConfig{Sampler: "traceidratio", Ratio: ratio}.Validate()
		require.ErrorContains(t, err, "sampling ratio must be between 0 and 1")
	}
	err := ClientConfig{Sampler: "sometimes"}.Validate()
	require.ErrorContains(t, err, `parentbased_traceidratio, got "sometimes"`)
}

func TestSamplingKeepsTheRatioOfOperations(t *testing.T) {
	t.Parallel()
	s, err := newSampler("traceidratio", 0.25, nil)
	require.NoError(t, err)
	sampled := 0
	for range 20_000 {
		if s.sample(newTraceID(), tracecontext.Traceparent{}) {
			sampled++
		}
	}
	assert.InDelta(t, 5_000, sampled, 500)
}
