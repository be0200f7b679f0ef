package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

func client(d *span.Descriptor, trace, parent, id byte, start, end int64, status uint16) span.Record {
	return span.Record{
		TraceID: tracecontext.TraceID{trace}, ParentID: tracecontext.SpanID{parent},
		SpanID: tracecontext.SpanID{id}, Descriptor: d, Start: start, End: end, Status: status,
		Kind: span.KindClient,
	}
}

func TestClientSpansOfOneOperationAreItsAttempts(t *testing.T) {
	t.Parallel()
	ours := &span.Descriptor{Service: "k6", Name: "GET", Method: "GET", Scope: clientspan.Scope}
	theirs := &span.Descriptor{Service: "gateway", Name: "GET", Method: "GET", Scope: "otelhttp"}
	database := &span.Descriptor{Service: "k6", Name: "SELECT", Scope: clientspan.Scope}
	l := newLoad("")
	l.take([]span.Record{
		client(ours, 1, 9, 3, 300, 400, 200), // the retry comes first in the file
		client(ours, 1, 9, 2, 100, 150, 503),
		client(ours, 1, 9, 2, 100, 150, 503), // delivered twice
		client(ours, 2, 0, 4, 50, 60, 0),     // two roots are two operations
		client(ours, 2, 0, 5, 70, 80, 200),
		client(theirs, 1, 9, 6, 120, 130, 200),
		client(database, 1, 9, 7, 120, 130, 0),
		{Kind: span.KindServer, Descriptor: ours},
	})
	list := l.attempts()
	require.Len(t, list, 4)
	assert.Equal(t, []byte{2, 3, 4, 5}, []byte{
		list[0].SpanID[0], list[1].SpanID[0], list[2].SpanID[0], list[3].SpanID[0],
	})
	assert.Equal(t, []uint16{1, 2, 1, 1}, []uint16{
		list[0].Number, list[1].Number, list[2].Number, list[3].Number,
	})
	assert.Equal(t, int64(150), list[1].Backoff)
	assert.Equal(t, uint16(1), list[1].Resend)
	assert.Equal(t, span.OutcomeAnswered, list[0].Outcome)
	assert.Equal(t, span.OutcomeSentFailed, list[2].Outcome, "a span without a status proves nothing")
	assert.Same(t, list[0].Labels, list[1].Labels)
	assert.Equal(t, int64(50), l.start().UnixNano())
	assert.Equal(t, int64(400), l.end().UnixNano())
	assert.Equal(t, uint64(8), l.spans)
}

func TestTheServiceOfTheLoadCanBeNamed(t *testing.T) {
	t.Parallel()
	d := &span.Descriptor{Service: "locust", Name: "GET", Method: "GET", Scope: "requests"}
	l := newLoad("locust")
	l.take([]span.Record{client(d, 1, 0, 2, 1, 2, 200)})
	require.Len(t, l.attempts(), 1)
	l = newLoad("other")
	l.take([]span.Record{client(d, 1, 0, 2, 1, 2, 200)})
	assert.Empty(t, l.attempts())
	require.EqualError(t, l.none(), `the files hold 1 spans, but no HTTP client span of service "other": `+
		"export the load's own spans too, or name its service with --client-service")
}
