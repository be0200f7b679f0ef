package verdict

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// TestAJudgeForgetsATrace looks at every field: what is left of one trace would
// be taken for a part of the next.
func TestAJudgeForgetsATrace(t *testing.T) {
	t.Parallel()
	id := func(b byte) tracecontext.SpanID { return tracecontext.SpanID{b} }
	gateway := &span.Descriptor{Service: "gateway"}
	for name, attempts := range map[string]int{"a small trace": 2, "a large trace": maxKept + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := &join.Trace{Reason: join.ReasonTimeout, Spans: []span.Record{
				{SpanID: id(10), ParentID: id(1), Kind: span.KindServer, Flags: 0x301, Descriptor: gateway},
				{SpanID: id(11), Kind: span.KindServer, Descriptor: gateway},
			}}
			for i := range attempts {
				trace.Attempts = append(trace.Attempts, span.Attempt{
					SpanID: id(byte(i + 1)), Operation: id(200), Sampled: true, Status: 200,
					Labels: new(span.Labels),
				})
			}
			j := NewJudge(Options{})
			j.Decide(trace)
			family := reflect.ValueOf(j.family).Elem()
			for i := range family.NumField() {
				name := family.Type().Field(i).Name
				switch field := family.Field(i); field.Kind() {
				case reflect.Map, reflect.Slice:
					require.Zero(t, field.Len(), name)
				default:
					require.True(t, field.IsZero(), name)
				}
			}
		})
	}
}
