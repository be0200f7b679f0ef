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
		draw(id[:8])
		draw(id[8:])
	}
	return id
}

func newSpanID() (id tracecontext.SpanID) {
	for id.IsZero() {
		draw(id[:])
	}
	return id
}

func draw(dst []byte) {
	binary.NativeEndian.PutUint64(dst, rand.Uint64()) //nolint:gosec // ids need no secrecy
}

type idsKey struct{}

type presetIDs struct {
	trace tracecontext.TraceID
	span  tracecontext.SpanID
}

// idContext makes the SDK use ids that were already chosen. It is the context of
// a span's creation and of nothing else.
type idContext struct {
	context.Context
	ids presetIDs
}

// Value implements context.Context.
func (c *idContext) Value(key any) any {
	if key == (idsKey{}) {
		return &c.ids
	}
	return c.Context.Value(key)
}

func withIDs(
	ctx context.Context, traceID tracecontext.TraceID, spanID tracecontext.SpanID,
) context.Context {
	return &idContext{ctx, presetIDs{traceID, spanID}}
}

// idGenerator hands out the ids of [withIDs].
type idGenerator struct{}

// NewIDs implements sdktrace.IDGenerator.
func (idGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if preset, ok := ctx.Value(idsKey{}).(*presetIDs); ok {
		return trace.TraceID(preset.trace), trace.SpanID(preset.span)
	}
	return trace.TraceID(newTraceID()), trace.SpanID(newSpanID())
}

// NewSpanID implements sdktrace.IDGenerator.
func (idGenerator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if preset, ok := ctx.Value(idsKey{}).(*presetIDs); ok {
		return trace.SpanID(preset.span)
	}
	return trace.SpanID(newSpanID())
}
