package traced

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

// TestSpansCoverWhatTheyAreOf has spans that the SDK learns of at their end.
func TestSpansCoverWhatTheyAreOf(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	before := time.Now()
	for range 2 {
		op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
		prepared := op.Prepare()
		prepared.AddEvent("hook")
		require.NoError(t, r.through(op, request(t, "GET", server.URL)))
		op.End(nil)
	}
	operations, clients := r.spans(trace.SpanKindInternal), r.spans(trace.SpanKindClient)
	require.Len(t, operations, 2)
	require.Len(t, clients, 2)
	for i, attempt := range r.sink.all() {
		around, own := operations[i], clients[i]
		assert.Equal(t, attempt.Start, own.StartTime.UnixNano())
		assert.Equal(t, attempt.Duration, own.EndTime.Sub(own.StartTime).Nanoseconds())
		assert.False(t, around.StartTime.Before(before))
		assert.False(t, own.StartTime.Before(around.StartTime), "it begins within")
		assert.False(t, around.EndTime.Before(own.EndTime), "and ends within")
		require.Len(t, own.Events, 1)
		assert.True(t, own.Events[0].Time.Equal(own.StartTime), "a hook runs before")
		assert.Equal(t, http.MethodGet, own.Name, "the hook gave no name")
		assert.Zero(t, own.DroppedAttributes, "the room for them is used again")
		before = around.EndTime
	}
}

func TestChildrenOfAnOperationHaveTheFlagsOfItsParent(t *testing.T) {
	t.Parallel()
	for parent, want := range map[string]trace.TraceFlags{"01": 1, "03": 3, "02": 3} {
		r, _, _ := continued(t, ClientConfig{Continue: true, Sampler: "always_on"},
			"00-"+scriptTrace+"-"+scriptSpan+"-"+parent, "")
		assert.Equal(t, want, r.spans(trace.SpanKindInternal)[0].SpanContext.TraceFlags(), parent)
		assert.Equal(t, want, r.one().SpanContext.TraceFlags(), parent)
		assert.False(t, r.one().Parent.IsRemote())
	}
}

func TestRequestsAfterTheShutdownAreNotCounted(t *testing.T) {
	t.Parallel()
	c, server := newCollector(t, nil), newEcho(t)
	e := newExporting(t, to(c.address))
	client, err := NewClient(e.Provider, ClientConfig{}, &sinkLog{})
	require.NoError(t, err)
	r := &rig{tb: t, base: newBase(t)}
	for range 2 {
		op := client.Start(t.Context(), operation("GET", server.URL))
		require.NoError(t, r.through(op, request(t, "GET", server.URL)))
		op.End(nil)
		e.shutdown()
	}
	l := e.identity()
	assert.Equal(t, uint64(2), l.Started)
	assert.Equal(t, uint64(2), l.Exported)
	assert.Zero(t, l.InFlight)
}

// TestRequestsUnderWayAtTheShutdownAreDropped has spans of which the SDK never learns.
func TestRequestsUnderWayAtTheShutdownAreDropped(t *testing.T) {
	t.Parallel()
	c, server := newCollector(t, nil), newEcho(t)
	e := newExporting(t, to(c.address))
	client, err := NewClient(e.Provider, ClientConfig{}, &sinkLog{})
	require.NoError(t, err)
	op := client.Start(t.Context(), operation("GET", server.URL))
	resp, err := op.Transport(newBase(t), 1, 0).RoundTrip(request(t, "GET", server.URL))
	require.NoError(t, err)
	assert.Equal(t, uint64(2), e.identity().InFlight)
	e.shutdown()
	require.NoError(t, resp.Body.Close())
	op.End(nil)
	l := e.identity()
	assert.Equal(t, uint64(2), l.Started)
	assert.Equal(t, uint64(2), l.Dropped)
	assert.Zero(t, l.InFlight+l.Exported)
}

// TestSpanOfAnOperationThatWasLeftEndsWithItsLastRoundTrip has two of them.
func TestSpanOfAnOperationThatWasLeftEndsWithItsLastRoundTrip(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	var open []io.Closer
	for range 2 {
		transport := op.Transport(newBase(t), 1, 0)
		resp, err := transport.RoundTrip(request(t, "GET", server.URL)) //nolint:bodyclose // below
		require.NoError(t, err)
		open = append(open, resp.Body)
	}
	op.Leave()
	op.Leave()
	for _, body := range open {
		assert.Empty(t, r.spans(trace.SpanKindInternal), "a round trip is open")
		require.NoError(t, body.Close())
	}
	require.NoError(t, r.through(op, request(t, "GET", server.URL)), "a hop that came late")
	clients, operations := r.spans(trace.SpanKindClient), r.spans(trace.SpanKindInternal)
	require.Len(t, clients, 3)
	require.Len(t, operations, 1)
	for _, own := range clients[:2] {
		assert.False(t, operations[0].EndTime.Before(own.EndTime))
	}
}
