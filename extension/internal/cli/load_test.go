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

// What the traced client says in its spans makes the attempt that it was.
func TestTheLoadsOwnSpansTellWhatTheirFieldsDoNot(t *testing.T) {
	t.Parallel()
	const line = `{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"` + clientspan.Scope + `"},"spans":[
		{"traceId":"01000000000000000000000000000000","spanId":"0200000000000000","name":"GET","kind":3,
		"attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}},
		{"key":"continuity.phase","value":{"stringValue":"503s"}},
		{"key":"continuity.scenario","value":{"stringValue":"shop"}},
		{"key":"continuity.name","value":{"stringValue":"http://shop/a"}},
		{"key":"service.peer.name","value":{"stringValue":"gateway"}},
		{"key":"continuity.outcome","value":{"stringValue":"not_sent"}},
		{"key":"error.type","value":{"stringValue":"dns"}},
		{"key":"continuity.attempt","value":{"intValue":"3"}},
		{"key":"continuity.sends","value":{"intValue":2}},
		{"key":"continuity.toxics","value":{"arrayValue":{"values":[
		{"stringValue":"http_header; mode=context-removed; name=strip; phase=a%20b"}]}}}]},
		{"traceId":"01000000000000000000000000000000","spanId":"0300000000000000","name":"x","kind":1}
		]},{"scope":{"name":"other"},"spans":[{"spanId":"not looked at"}]}]}]}`
	const other = `{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"other"}}]}]}`
	d := &span.Descriptor{Service: "k6", Name: "GET", Method: "GET", Scope: clientspan.Scope}
	l := newLoad("")
	l.take([]span.Record{client(d, 1, 0, 2, 1, 2, 0), client(d, 1, 0, 5, 3, 4, 200)})
	l.testify([]byte(line[:len(line)-1] + " }"))
	l.testify([]byte(other))
	assert.Zero(t, l.unread)
	list := l.attempts()
	require.Len(t, list, 2)
	a := list[0]
	assert.Equal(t, span.Labels{
		Phase: "503s", Scenario: "shop", Name: "http://shop/a", Method: "GET", Service: "gateway",
	}, *a.Labels)
	assert.Equal(t, []span.Mark{{
		Type: "http_header", Mode: "context-removed", Name: "strip", Phase: "a b",
	}}, a.Marks.List)
	assert.Equal(t, span.OutcomeNotSent, a.Outcome)
	assert.Equal(t, "dns", a.ErrorType)
	assert.Equal(t, []uint16{3, 2}, []uint16{a.Number, a.Sends})
	assert.Equal(t, "GET", list[1].Labels.Name, "a span that says nothing keeps its own name")

	l.testify([]byte(`{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"` + clientspan.Scope +
		`"},"spans":[{"traceId":7}]}]}]}`))
	assert.Equal(t, 1, l.unread)
}
