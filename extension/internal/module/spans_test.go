package module

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// tree maps each span's name to its parent's, where the operation spans in
// between are left out.
func tree(spans tracetest.SpanStubs) map[string]string {
	byID := make(map[string]tracetest.SpanStub)
	for _, stub := range spans {
		byID[stub.SpanContext.SpanID().String()] = stub
	}
	out := make(map[string]string)
	for _, stub := range spans {
		if stub.SpanKind.String() == "internal" && attr(stub, "url.full") != "" {
			continue
		}
		parent := byID[stub.Parent.SpanID().String()]
		if stub.SpanKind.String() == "client" {
			parent = byID[parent.Parent.SpanID().String()]
		}
		name := stub.Name
		if header := attr(stub, "http.request.header.x-name"); header != "" {
			name = strings.Trim(header, `["]`)
		}
		out[name] = parent.Name
	}
	return out
}

func TestSpansNestAcrossAwait(t *testing.T) {
	t.Parallel()
	v := newVU(t, `
		const named = new Client({captureHeaders: {request: ['x-name']}});
		const get = (name) => named.get('SERVER/get', {headers: {'X-Name': name}});
		const later = (name) => named.asyncRequest('GET', 'SERVER/get', null, {headers: {'X-Name': name}});
		const pause = () => new Promise((resolve) => setTimeout(resolve, 2));`)
	got := v.run(`
		get('none');
		const value = span('outer', {a: 1}, (outer) => {
			outer.setAttribute('b', true); outer.addEvent('e'); outer.updateName('renamed');
			get('in outer');
			span('inner', () => { get('in inner') });
			try { span('failing', () => { get('in failing'); throw new Error('mine') }) } catch (e) {}
			get('after inner');
			named.batch([['GET', 'SERVER/get', null, {headers: {'X-Name': 'in batch'}}]]);
			return 42;
		});
		const flow = async (name) => span(name, async () => {
			await later(name + ' first');
			await pause();
			get(name + ' second');
			await span(name + ' nested', async () => { await pause(); await later(name + ' third') });
			await Promise.all([later(name + ' fourth'), pause().then(() => get(name + ' fifth'))]);
			return name;
		});
		const names = await Promise.all([flow('x'), flow('y'), flow('z')]);
		await pause();
		get('none at the end');
		return [value, names.join()]`)
	assert.Equal(t, []any{int64(42), "x,y,z"}, got)
	want := map[string]string{
		"none": "", "renamed": "", "in outer": "renamed", "inner": "renamed", "in inner": "inner",
		"failing": "renamed", "in failing": "failing", "after inner": "renamed", "in batch": "renamed",
		"none at the end": "",
	}
	for _, name := range []string{"x", "y", "z"} {
		want[name], want[name+" nested"] = "", name
		for _, request := range []string{" first", " second", " fourth", " fifth"} {
			want[name+request] = name
		}
		want[name+" third"] = name + " nested"
	}
	spans := v.spans()
	assert.Equal(t, want, tree(spans))
	for _, stub := range spans {
		switch stub.Name {
		case "failing":
			assert.Equal(t, codes.Error, stub.Status.Code)
			assert.Contains(t, stub.Status.Description, "mine")
		case "renamed":
			assert.Equal(t, "1true", attr(stub, "a")+attr(stub, "b"))
			assert.Len(t, stub.Events, 1)
		}
	}
}

func TestConcurrentRequestsKeepTheirParents(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const many = new Client({retry: {attempts: 2, backoff: {initial: 1, max: 3}}});`)
	got := v.run(`
		const all = [];
		for (let i = 0; i < 40; i++) all.push(many.asyncRequest('GET', i % 3
			? 'SERVER/redirect-to?url=/get%3Fi=' + i : 'SERVER/flaky/1/503?i=' + i));
		many.batch(Array.from({length: 40}, (_, i) => 'SERVER/redirect-to?url=/get%3Fb=' + i));
		return (await Promise.all(all)).map((r) => r.trace.traceId)`)
	require.Len(t, got, 40)
	attempts := v.attempts()
	require.Len(t, attempts, 160)
	perTrace := make(map[string]map[string]bool)
	for _, attempt := range attempts {
		id := attempt.TraceID.String()
		if perTrace[id] == nil {
			perTrace[id] = make(map[string]bool)
		}
		perTrace[id][attempt.Operation.String()] = true
	}
	assert.Len(t, perTrace, 80)
	for id, operations := range perTrace {
		assert.Len(t, operations, 1, id)
	}
	clients := v.clientSpans()
	require.Len(t, clients, 160)
	sent := make(map[string]string)
	for _, request := range v.server.seen() {
		header := request.header.Get("Traceparent")
		require.NotContains(t, sent, header, "a traceparent was sent twice")
		sent[header] = v.server.URL + request.path
	}
	for _, stub := range clients {
		header := fmt.Sprintf("00-%s-%s-01", stub.SpanContext.TraceID(), stub.SpanContext.SpanID())
		assert.Equal(t, sent[header], attr(stub, "url.full"))
	}
}

func TestScopeIteration(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const scoped = new Client({scope: 'iteration'});`)
	trace := func() string {
		return v.run(`
			const a = scoped.get('SERVER/get'), [b] = scoped.batch(['SERVER/get']);
			const c = await scoped.asyncRequest('GET', 'SERVER/get');
			const inside = span('own', () => scoped.get('SERVER/get'));
			const ids = new Set([a, b, c].map((r) => r.trace.traceId));
			return [ids.size, inside.trace.traceId === a.trace.traceId, a.trace.traceId].join()`).(string)
	}
	first := trace()
	v.state.Iteration++
	second := trace()
	assert.Regexp(t, `^1,false,[0-9a-f]{32}$`, first)
	assert.Regexp(t, `^1,false,[0-9a-f]{32}$`, second)
	assert.NotEqual(t, first, second, "another iteration is another trace")
}

// TestAPlainAsyncRequestJoinsNoOtherSpan: the script goes on to another span while k6 is
// about to send, and nothing tells in which it asked for that.
func TestAPlainAsyncRequestJoinsNoOtherSpan(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	v.run(`
		instrument();
		const sent = [];
		for (let i = 0; i < 100; i++) {
			span('one', () => { sent.push(plain.asyncRequest('GET', 'SERVER/get')) });
			span('other', () => { for (let busy = 0; busy < i * 50; busy++); });
		}
		await Promise.all(sent);`)
	byID := make(map[string]string)
	for _, stub := range v.spans() {
		byID[stub.SpanContext.SpanID().String()] = stub.Name
	}
	operations := 0
	for _, stub := range v.spans() {
		if attr(stub, "url.full") != "" && stub.SpanKind.String() == "internal" {
			operations++
			assert.Empty(t, byID[stub.Parent.SpanID().String()])
		}
	}
	assert.NotZero(t, operations)
	assert.Len(t, v.clientSpans(), 100)
}

func TestInstrumentTracesPlainHTTP(t *testing.T) {
	t.Parallel()
	v := newVU(t, `
		const taken = plain.get;
		instrument({service: 'plain', retry: {attempts: 2, backoff: {initial: 1}}});`)
	got := v.run(`
		const a = plain.get('SERVER/flaky/1/503'), [b] = plain.batch(['SERVER/get']);
		const c = await plain.asyncRequest('GET', 'SERVER/get');
		instrument({service: 'plain'});
		const d = taken('SERVER/redirect/1');
		const e = span('own', (s) => [s.traceId, taken('SERVER/get?own')]);
		uninstrument();
		const f = plain.get('SERVER/get'), g = taken('SERVER/get');
		return [a.trace.attempts, b.trace.attempts, c.trace.attempts, String(d.trace), String(f.trace), e[0]]`).([]any)
	assert.Equal(t, []any{int64(2), int64(1), int64(1), "undefined", "undefined"}, got[:5])
	seen := v.server.seen()
	require.Len(t, seen, 9)
	for i, request := range seen {
		assert.Equal(t, i < 7, request.header.Get("Traceparent") != "", "request %d", i)
	}
	assert.Contains(t, seen[6].header.Get("Traceparent"), got[5], "joins the span")
	spans := v.clientSpans()
	require.Len(t, spans, 7)
	for _, stub := range spans {
		assert.Equal(t, "plain", attr(stub, "service.peer.name"))
	}
}
