package traced

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func TestToxicsMarksAreOnTheAttemptAndItsSpan(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			return
		}
		w.Header().Add("X-Toxic", "http_header; mode=remove; name=strip")
		w.Header().Add("X-Toxic", "http_latency; name=slow")
	})
	r := newRig(t, nil)
	r.get(ClientConfig{}, server.URL)
	r.get(ClientConfig{}, server.URL+"/toxic")
	r.get(ClientConfig{}, server.URL+"/toxic")
	attempts := r.sink.all()
	require.Len(t, attempts, 3)
	assert.Nil(t, attempts[0].Marks)
	require.NotNil(t, attempts[1].Marks)
	assert.Equal(t, []span.Mark{
		{Type: "http_header", Mode: "remove", Name: "strip"}, {Type: "http_latency", Name: "slow"},
	}, attempts[1].Marks.List)
	assert.Same(t, attempts[1].Marks, attempts[2].Marks, "equal marks are interned")
	var marked int
	for _, s := range r.spans(trace.SpanKindClient) {
		if _, ok := attributesOf(s.Attributes)[clientspan.Toxics]; ok {
			marked++
		}
	}
	assert.Equal(t, 2, marked)
}

func TestMarksOfAHostileServerDoNotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	var c markCache
	for i := range 5 * maxMarks {
		got := c.parse([]string{fmt.Sprint("t", i)})
		require.Equal(t, fmt.Sprint("t", i), got.List[0].Type)
	}
	assert.Len(t, c.marks, maxMarks)
	assert.Nil(t, c.parse(nil))
	assert.Empty(t, c.parse([]string{" ;,, ;x"}).List)
}
