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

type creationKey struct{}

type presetIDs struct {
	trace tracecontext.TraceID
	span  tracecontext.SpanID
}

// creation makes the SDK use ids that were already chosen. It is the context of
// a span's creation and of nothing else.
type creation struct {
	context.Context
	ids  presetIDs
	late *attributeList // of a [lateSpan]; else nil
}

// Value implements context.Context.
func (c *creation) Value(key any) any {
	if key == (creationKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// creationOf is the creation that a context is of; nil for another context.
func creationOf(ctx context.Context) *creation {
	found, _ := ctx.Value(creationKey{}).(*creation)
	return found
}

// idGenerator hands out the ids of a [creation].
type idGenerator struct{}

// NewIDs implements sdktrace.IDGenerator.
func (idGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if c := creationOf(ctx); c != nil {
		return trace.TraceID(c.ids.trace), trace.SpanID(c.ids.span)
	}
	return trace.TraceID(newTraceID()), trace.SpanID(newSpanID())
}

// NewSpanID implements sdktrace.IDGenerator.
func (idGenerator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if c := creationOf(ctx); c != nil {
		return trace.SpanID(c.ids.span)
	}
	return trace.SpanID(newSpanID())
}
