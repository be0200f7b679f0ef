package module

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryRoundTripHasItsClientSpan(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	got := v.run(`
		const res = http.get('SERVER/redirect/2');
		return [res.status, res.trace.traceId, res.trace.spanId, res.trace.attempts];
	`)
	result := got.([]any)
	assert.EqualValues(t, 200, result[0])
	assert.EqualValues(t, 1, result[3])
	spans := v.clientSpans()
	require.Len(t, spans, 3)
	for i, stub := range spans {
		request := v.server.seen()[i]
		assert.Equal(t, "00-"+result[1].(string)+"-"+stub.SpanContext.SpanID().String()+"-01",
			request.header.Get("Traceparent"), "round trip %d", i)
	}
	assert.Equal(t, spans[2].SpanContext.SpanID().String(), result[2])
	assert.Empty(t, v.warnings.all())
	assert.Len(t, v.attempts(), 3)
	assert.Equal(t, []string{"", "1", "2"}, []string{
		attr(spans[0], "http.request.resend_count"), attr(spans[1], "http.request.resend_count"),
		attr(spans[2], "http.request.resend_count"),
	})
}
