package toxics

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheLossOfAContextIsMarkedForEveryPropagator: the report holds the marks
// against the traces that broke.
func TestTheLossOfAContextIsMarkedForEveryPropagator(t *testing.T) {
	t.Parallel()
	const (
		parent  = "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		single  = "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"
		traceID = "X-B3-TraceId: 0af7651916cd43dd8448eb211c80319c"
		spanID  = "X-B3-SpanId: b7ad6b7169203331"
		jaeger  = "uber-trace-id: af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1"
		xray    = "X-Amzn-Trace-Id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1"
	)
	for _, tt := range []struct {
		name    string
		fault   headerFault
		headers []string
		mode    string
	}{
		{"W3C", headerFault{Remove: []string{"traceparent"}}, []string{parent}, "context-removed"},
		{"B3", headerFault{Remove: []string{"b3"}}, []string{single}, "context-removed"},
		{"half of B3", headerFault{Remove: []string{"X-B3-SpanId"}}, []string{traceID, spanID}, "context-removed"},
		{"Jaeger", headerFault{Remove: []string{"Uber-Trace-Id"}}, []string{jaeger}, "context-removed"},
		{"X-Ray", headerFault{Remove: []string{"X-Amzn-Trace-Id"}}, []string{xray}, "context-removed"},
		{"mangled", headerFault{Mangle: []string{"b3"}}, []string{single}, "context-changed"},
		{"overwritten", headerFault{Set: map[string]string{"b3": "0"}}, []string{single}, "context-changed"},
		{"set", headerFault{Set: map[string]string{"traceparent": "x"}}, nil, "context-changed"},
		{"W3C speaks for both", headerFault{Remove: []string{"b3"}}, []string{parent, single}, "request"},
		{"one of both", headerFault{Remove: []string{"traceparent"}}, []string{parent, single}, "context-removed"},
		{"another header", headerFault{Set: map[string]string{"a": "b"}}, []string{single}, "request"},
		{"no context", headerFault{Set: map[string]string{"a": "b"}}, nil, "request"},
	} {
		h := asking(t, "GET", "/", tt.headers...)
		before := contextOf(h)
		require.True(t, tt.fault.edit(h), tt.name)
		assert.Equal(t, tt.mode, before.change(h), tt.name)
	}
}
