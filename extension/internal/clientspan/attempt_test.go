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
	assert.True(t, a.Sampled)
	r.Status, r.End = 0, 5
	a = clientspan.Attempt(&r, labels)
	assert.Equal(t, span.OutcomeSentFailed, a.Outcome)
	assert.Zero(t, a.Duration, "a clock that was set back")
}

// sent is an attempt of a client that does not say its number, 2 ns long.
func sent(trace, operation byte, start int64, change ...func(*span.Attempt)) span.Attempt {
	a := span.Attempt{
		TraceID: tracecontext.TraceID{trace}, SpanID: tracecontext.SpanID{byte(start)},
		Operation: tracecontext.SpanID{operation}, Start: start, Duration: 2, Status: 200,
		Labels: &span.Labels{Name: "/a", Method: "GET"},
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func told(number uint16) func(*span.Attempt) {
	return func(a *span.Attempt) { a.Number = number }
}

func status(code uint16) func(*span.Attempt) { return func(a *span.Attempt) { a.Status = code } }

func to(name string) func(*span.Attempt) {
	return func(a *span.Attempt) { a.Labels = &span.Labels{Name: name, Method: "GET"} }
}

func TestRenumberTellsRetriesFromHopsAndFromOtherRequests(t *testing.T) {
	t.Parallel()
	type row struct {
		number, resend uint16
		hop            bool
		backoff        int64
	}
	for name, c := range map[string]struct {
		list []span.Attempt
		want []row // in order of trace, operation and start
	}{
		"a load that tells its numbers from the second on, with hops": {
			[]span.Attempt{
				sent(1, 1, 40, told(2), to("/b")), sent(1, 1, 30, told(2), status(302)),
				sent(1, 1, 20, to("/b"), status(503)), sent(1, 1, 10, status(302)),
			},
			[]row{{1, 0, false, 0}, {1, 1, false, 0}, {2, 2, false, 8}, {2, 3, true, 0}},
		},
		"a load that tells its numbers keeps them": {
			[]span.Attempt{sent(1, 1, 10, status(503)), sent(1, 1, 20, told(7))},
			[]row{{1, 0, false, 0}, {7, 1, false, 8}},
		},
		"tries again after a failure": {
			[]span.Attempt{
				sent(1, 1, 30), sent(1, 1, 20, status(0)), sent(1, 1, 10, status(503)),
			},
			[]row{{1, 0, false, 0}, {2, 1, false, 8}, {3, 2, false, 8}},
		},
		"sends the same again after a success": {
			[]span.Attempt{sent(1, 1, 10), sent(1, 1, 20), sent(1, 1, 30, status(404)), sent(1, 1, 40)},
			[]row{{1, 0, false, 0}, {1, 1, false, 0}, {1, 2, false, 0}, {1, 3, false, 0}},
		},
		"sends something else after a failure, and then tries again": {
			[]span.Attempt{sent(1, 1, 10, status(500)), sent(1, 1, 20, to("/b")), sent(1, 1, 30)},
			[]row{{1, 0, false, 0}, {1, 1, false, 0}, {2, 2, false, 8}},
		},
		"did not wait for the failure": {
			[]span.Attempt{sent(1, 1, 10, status(500)), sent(1, 1, 11)},
			[]row{{1, 0, false, 0}, {1, 1, false, 0}},
		},
		"roots and other traces have nothing to do with each other": {
			[]span.Attempt{
				sent(3, 0, 1, status(500)), sent(3, 0, 9), sent(2, 1, 5, status(500)),
				sent(1, 1, 10, status(500)), sent(1, 2, 20),
			},
			[]row{{1, 0, false, 0}, {1, 0, false, 0}, {1, 0, false, 0}, {1, 0, false, 0}, {1, 0, false, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clientspan.Renumber(c.list)
			var got []row
			for _, a := range c.list {
				got = append(got, row{a.Number, a.Resend, a.Hop, a.Backoff})
			}
			assert.Equal(t, c.want, got)
		})
	}
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
		{Type: "http_status", Name: "slöw; 1, 100%", Proxy: "my shop", Phase: "a+b; c"},
	} {
		assert.Equal(t, m, clientspan.ParseMark(clientspan.FormatMark(m)))
	}
	assert.Equal(t, span.Mark{Type: "x", Name: "100%"}, clientspan.ParseMark("x; name=100%"))
	assert.Equal(t, "http://x/a?…", clientspan.PlainName("http://x/a?key=secret"))
	assert.Equal(t, "GET /a", clientspan.PlainName("GET /a"))
}
