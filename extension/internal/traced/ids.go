package traced

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// newTraceID and newSpanID draw from the runtime's ChaCha8 generator, which is
// seeded by the system and has no lock.
func newTraceID() (id tracecontext.TraceID) {
	for id.IsZero() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

func newSpanID() (id tracecontext.SpanID) {
	for id.IsZero() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

type idsKey struct{}

type presetIDs struct {
	trace tracecontext.TraceID
	span  tracecontext.SpanID
}

// withIDs makes the SDK use ids that were already chosen.
func withIDs(ctx context.Context, traceID tracecontext.TraceID, spanID tracecontext.SpanID) context.Context {
	return context.WithValue(ctx, idsKey{}, presetIDs{traceID, spanID})
}

// idGenerator hands out the ids of [withIDs].
type idGenerator struct{}

// NewIDs implements sdktrace.IDGenerator.
func (idGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if preset, ok := ctx.Value(idsKey{}).(presetIDs); ok {
		return trace.TraceID(preset.trace), trace.SpanID(preset.span)
	}
	return trace.TraceID(newTraceID()), trace.SpanID(newSpanID())
}

// NewSpanID implements sdktrace.IDGenerator.
func (idGenerator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if preset, ok := ctx.Value(idsKey{}).(presetIDs); ok {
		return trace.SpanID(preset.span)
	}
	return trace.SpanID(newSpanID())
}
