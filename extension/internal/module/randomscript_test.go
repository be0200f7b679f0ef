package module

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestRandomScriptsMixNoSpans runs scripts made at random of every kind of request, in
// application spans that nest and that go on beside each other: each round trip that the
// server got has one client span, below the operation of its request, below the span in
// which the script asked for it.
func TestRandomScriptsMixNoSpans(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := &writer{random: rand.New(rand.NewPCG(seed, 1)), late: seed%2 == 0}
			v := newVU(t, w.instrument(false)+`
				http = new Client({retry: {attempts: 4, backoff: {initial: '1ms'}}});
				const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
				const pending = [];`)
			script := w.block("", 3)
			v.run(w.instrument(true) + script + "while (pending.length > 0) { await pending.shift(); }")
			w.check(t, v, script)
		})
	}
}

// writer writes a script and keeps what is to become of it.
type writer struct {
	random *rand.Rand
	late   bool    // k6/http is instrumented in the iteration
	asked  []asked // by number
	spans  int
}

func (w *writer) instrument(late bool) string { //nolint:revive // a moment, and not a mode
	if late == w.late {
		return "instrument();"
	}
	return ""
}

// asked is a request of the script.
type asked struct {
	parent string // name of the span that it belongs to; empty for none
	trips  int
}

// block is a few statements in the span of that name.
func (w *writer) block(in string, depth int) string {
	var out strings.Builder
	for range 1 + w.random.IntN(5) {
		out.WriteString(w.statement(in, depth))
	}
	return out.String()
}

func (w *writer) statement(in string, depth int) string {
	kinds := 12
	if depth == 0 {
		kinds = 8 // nothing that nests
	}
	switch w.random.IntN(kinds) {
	case 0:
		return "http.get(" + w.url(in) + ");"
	case 1:
		return "await http.asyncRequest('GET', " + w.url(in) + ");"
	case 2:
		return "pending.push(http.asyncRequest('GET', " + w.url(in) + "));"
	case 3:
		return "plain.get(" + w.once(in) + ");"
	case 4:
		return fmt.Sprintf("await pause(%d);", w.random.IntN(3))
	case 5:
		var urls []string
		for range 1 + w.random.IntN(4) {
			urls = append(urls, w.url(in))
		}
		return "http.batch([" + strings.Join(urls, ", ") + "]);"
	case 6:
		return w.digest(in)
	case 7:
		later := in
		if w.late {
			later = "" // nothing says in which span it was called
		}
		return fmt.Sprintf("pending.push(plain.asyncRequest('GET', %s)); plain.batch([%s, %s]);",
			w.once(later), w.once(in), w.once(in))
	case 8:
		name := w.span()
		return fmt.Sprintf("pending.push(span('%s', async () => { %s }));",
			name, w.block(name, depth-1))
	case 9:
		name := w.span()
		return fmt.Sprintf("span('%s', () => { %s });", name, w.calls(name))
	case 10:
		name := w.span()
		return fmt.Sprintf("try { await span('%s', async () => { %s%s }) } catch (e) {}",
			name, w.block(name, depth-1), w.thrown())
	default:
		var beside []string
		for range 2 + w.random.IntN(2) {
			name := w.span()
			beside = append(beside, fmt.Sprintf("span('%s', async () => { %s })",
				name, w.block(name, depth-1)))
		}
		return "await Promise.all([" + strings.Join(beside, ", ") + "]);"
	}
}

// calls are requests without an await.
func (w *writer) calls(in string) string {
	var out strings.Builder
	for range 1 + w.random.IntN(3) {
		switch w.random.IntN(3) {
		case 0:
			out.WriteString("http.get(" + w.url(in) + ");")
		case 1:
			out.WriteString("pending.push(http.asyncRequest('GET', " + w.url(in) + "));")
		default:
			out.WriteString(w.digest(in))
		}
	}
	return out.String()
}

// digest is a request that the service refuses before it is sent with credentials.
func (w *writer) digest(in string) string {
	w.asked = append(w.asked, asked{in, 2})
	return fmt.Sprintf("http.get('SERVER/digest-auth/auth/u/p?n=%d'.replace('//', '//u:p@'), "+
		"{auth: 'digest'});", len(w.asked)-1)
}

func (w *writer) span() string {
	w.spans++
	return fmt.Sprint("span ", w.spans)
}

func (w *writer) thrown() string {
	if w.random.IntN(4) == 0 {
		return "throw new Error('mine');"
	}
	return ""
}

// url is that of a request of any kind.
func (w *writer) url(in string) string {
	switch n := len(w.asked); w.random.IntN(4) {
	case 0:
		times := w.random.IntN(4)
		w.asked = append(w.asked, asked{in, times + 1})
		return fmt.Sprintf("'SERVER/flaky/%d/503?n=%d'", times, n)
	case 1:
		w.asked = append(w.asked, asked{in, 2})
		return fmt.Sprintf("'SERVER/redirect-to?url=%s&n=%d'",
			url.QueryEscape("/get?n="+strconv.Itoa(n)), n)
	default:
		return w.once(in)
	}
}

// once is the URL of a request that takes one round trip.
func (w *writer) once(in string) string {
	w.asked = append(w.asked, asked{in, 1})
	return fmt.Sprintf("'SERVER/get?n=%d'", len(w.asked)-1)
}

func (w *writer) check(t *testing.T, v *vu, script string) {
	t.Helper()
	trips := make([]int, len(w.asked))
	operations := make([]string, len(w.asked))
	byID := make(map[string]tracetest.SpanStub)
	require.Eventually(t, func() bool { // instrument() ends operations when k6 is done with them
		clear(byID)
		for _, stub := range v.spans() {
			byID[stub.SpanContext.SpanID().String()] = stub
		}
		return len(byID) >= len(v.server.seen())+len(w.asked)+w.spans
	}, time.Minute, time.Millisecond, script)
	for _, hit := range v.server.seen() {
		at, err := url.Parse(hit.path)
		require.NoError(t, err)
		n := number(at.Query().Get("n"))
		ids := strings.Split(hit.header.Get("Traceparent"), "-")
		require.Len(t, ids, 4, script)
		client, found := byID[ids[2]]
		require.True(t, found, "%d: %s", n, script)
		operation := byID[client.Parent.SpanID().String()]
		parent := byID[operation.Parent.SpanID().String()]
		assert.Equal(t, "client", client.SpanKind.String())
		assert.Equal(t, w.asked[n].parent, parent.Name, "%d: %s", n, script)
		resent := ""
		if trips[n] > 0 {
			resent = strconv.Itoa(trips[n])
		}
		assert.Equal(t, resent, attr(client, "http.request.resend_count"), "%d: %s", n, script)
		for _, stub := range []tracetest.SpanStub{client, operation} {
			assert.Equal(t, ids[1], stub.SpanContext.TraceID().String(), "%d: %s", n, script)
		}
		if parent.Name != "" {
			assert.Equal(t, ids[1], parent.SpanContext.TraceID().String(), "%d: %s", n, script)
		}
		id := operation.SpanContext.SpanID().String()
		if trips[n] > 0 {
			assert.Equal(t, operations[n], id, "%d: %s", n, script)
		}
		operations[n] = id
		trips[n]++
		delete(byID, ids[2])
	}
	for n, a := range w.asked {
		assert.Equal(t, a.trips, trips[n], "%d: %s", n, script)
	}
	assert.Len(t, byID, len(w.asked)+w.spans, "no span is left over: %s", script)
}
