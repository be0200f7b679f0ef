package clientspan_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

func TestOwnsTheScopeOrTheNamedService(t *testing.T) {
	t.Parallel()
	ours := &span.Descriptor{Service: "k6", Scope: clientspan.Scope, Method: "GET"}
	other := &span.Descriptor{Service: "shop", Scope: "other", Method: "GET"}
	assert.True(t, clientspan.Owns("", ours))
	assert.False(t, clientspan.Owns("", other))
	assert.True(t, clientspan.Owns("shop", other))
	assert.False(t, clientspan.Owns("shop", ours))
	assert.False(t, clientspan.Owns("", &span.Descriptor{Scope: clientspan.Scope}), "not HTTP")
}

func TestAnAttemptWithoutAStatusIsNoProof(t *testing.T) {
	t.Parallel()
	labels := &span.Labels{Name: "GET"}
	r := span.Record{Start: 10, End: 30, Status: 503, ParentID: tracecontext.SpanID{7}}
	a := clientspan.Attempt(&r, labels)
	assert.Equal(t, span.OutcomeAnswered, a.Outcome)
	assert.Equal(t, int64(20), a.Duration)
	assert.Equal(t, tracecontext.SpanID{7}, a.Operation)
	assert.Equal(t, uint16(1), a.Number)
	assert.True(t, a.Sampled)
	r.Status, r.End = 0, 5
	a = clientspan.Attempt(&r, labels)
	assert.Equal(t, span.OutcomeSentFailed, a.Outcome)
	assert.Zero(t, a.Duration, "a clock that was set back")
}

func TestRenumberCountsTheAttemptsOfAnOperationInTheirOrder(t *testing.T) {
	t.Parallel()
	attempt := func(trace, operation byte, start int64, number uint16) span.Attempt {
		return span.Attempt{
			TraceID: tracecontext.TraceID{trace}, SpanID: tracecontext.SpanID{byte(start)},
			Operation: tracecontext.SpanID{operation}, Start: start, Duration: 2, Number: number,
		}
	}
	list := []span.Attempt{
		attempt(1, 1, 20, 1), attempt(2, 1, 5, 1), attempt(1, 1, 10, 1),
		attempt(3, 0, 1, 1), attempt(3, 0, 2, 1), attempt(1, 1, 30, 7),
	}
	clientspan.Renumber(list)
	var numbers, resends []uint16
	var backoffs []int64
	for _, a := range list {
		numbers, resends = append(numbers, a.Number), append(resends, a.Resend)
		backoffs = append(backoffs, a.Backoff)
	}
	assert.Equal(t, []uint16{1, 2, 7, 1, 1, 1}, numbers, "a number from the load is kept")
	assert.Equal(t, []uint16{0, 1, 2, 0, 0, 0}, resends)
	assert.Equal(t, []int64{0, 8, 8, 0, 0, 0}, backoffs)
}

func TestTextFormsReadBack(t *testing.T) {
	t.Parallel()
	for _, o := range []span.Outcome{span.OutcomeNotSent, span.OutcomeSentFailed} {
		got, ok := clientspan.ParseOutcome(clientspan.FormatOutcome(o))
		assert.True(t, ok)
		assert.Equal(t, o, got)
	}
	_, ok := clientspan.ParseOutcome("")
	assert.False(t, ok)
	for _, m := range []span.Mark{
		{Type: "http_status", Mode: "abort", Name: "errors"},
		{Type: "http_reset"},
		{Type: "http_header", Name: "strip"},
	} {
		assert.Equal(t, m, clientspan.ParseMark(clientspan.FormatMark(m)))
	}
	assert.Equal(t, "http://x/a?…", clientspan.PlainName("http://x/a?key=secret"))
	assert.Equal(t, "GET /a", clientspan.PlainName("GET /a"))
}
