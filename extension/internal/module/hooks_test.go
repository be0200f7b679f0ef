package module

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const countingHooks = `
	const calls = [];
	const hooked = new Client({
		retry: {attempts: 2, backoff: {initial: 1}},
		requestHook: (span, request) => {
			calls.push('>' + request.method + request.attempt);
			span.setAttribute('hook.attempt', request.attempt);
			span.addEvent('about to send', {n: request.attempt});
			span.updateName('hooked ' + span.spanId);
		},
		responseHook: (span, response) => {
			calls.push('<' + response.status);
			span.setAttributes({'hook.status': response.status, 'hook.list': ['a', 'b']});
		},
	});`

func TestHooksSeeEveryAttempt(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{
		"sync":  `hooked.get('SERVER/flaky/1/503'); return calls.join()`,
		"async": `await hooked.asyncRequest('GET', 'SERVER/flaky/1/503'); return calls.join()`,
		"batch": `hooked.batch(['SERVER/flaky/1/503']); return calls.join()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVU(t, countingHooks)
			assert.Equal(t, ">GET1,<503,>GET2,<200", v.run(code))
			spans := v.clientSpans()
			require.Len(t, spans, 2)
			for i, status := range []string{"503", "200"} {
				assert.Equal(t, "hooked "+spans[i].SpanContext.SpanID().String(), spans[i].Name)
				assert.Equal(t, string(rune('1'+i)), attr(spans[i], "hook.attempt"))
				assert.Equal(t, status, attr(spans[i], "hook.status"))
				assert.Equal(t, `["a","b"]`, attr(spans[i], "hook.list"))
				require.Len(t, spans[i].Events, 1)
				assert.Equal(t, "about to send", spans[i].Events[0].Name)
				assert.Contains(t, v.server.seen()[i].header.Get("Traceparent"),
					spans[i].SpanContext.SpanID().String())
			}
			assert.Zero(t, v.module.run.hookErrors.Load())
		})
	}
}

func TestHooksNeverChangeARequest(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]string{
		"throws":                   `() => { throw new Error('mine') }`,
		"throws undefined":         `() => { throw undefined }`,
		"rejects":                  `async () => { throw new Error('mine') }`,
		"uses the span wrongly":    `(span) => span.setAttribute('k', {})`,
		"calls what is not there":  `(span) => span.nothing()`,
		"sends requests by itself": `(span) => { http.get('SERVER/get'); hooked.get('SERVER/get'); throw 1 }`,
	} {
		for _, which := range []string{"requestHook", "responseHook"} {
			t.Run(which+" "+name, func(t *testing.T) {
				t.Parallel()
				v := newVU(t, strings.Join([]string{
					"const hooked = new Client({", which, ": ", hook, "});",
				}, ""))
				assert.Equal(t, "200,200,200", v.run(`
					return [hooked.get('SERVER/get').status,
						(await hooked.asyncRequest('GET', 'SERVER/get')).status,
						hooked.batch(['SERVER/get'])[0].status].join()`))
				assert.EqualValues(t, 3, v.module.run.hookErrors.Load())
				assert.Len(t, v.warnings.all(), 1, "told of once")
				assert.NotContains(t, v.warnings.all()[0], "request failed")
			})
		}
	}
}

func TestHookReturnsNonsense(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const hooked = new Client({requestHook: () => 7, responseHook: () => ({then: 1})});`)
	assert.EqualValues(t, 200, v.run(`return hooked.get('SERVER/get').status`))
	assert.Zero(t, v.module.run.hookErrors.Load())
}

func TestHooksOfUnsampledRequests(t *testing.T) {
	t.Parallel()
	v := newVU(t, countingHooks)
	assert.Equal(t, ">GET1,<200", v.run(
		`hooked.get('SERVER/get', {trace: {sampling: 0}}); return calls.join()`))
	assert.Empty(t, v.spans())
}

func TestAHookThatNeverEndsIsInterruptedWithTheVU(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"requestHook", "responseHook", "urlFilter"} {
		for _, call := range []string{
			`hooked.get('SERVER/get')`, `hooked.batch(['SERVER/get'])`,
			`await hooked.asyncRequest('GET', 'SERVER/get')`,
		} {
			t.Run(option+" "+call, func(t *testing.T) {
				t.Parallel()
				v := newVU(t, `const hooked = new Client({`+option+`: () => { entered(); for (;;); }});`)
				rt := v.runtime.VU.Runtime()
				require.NoError(t, rt.Set("entered", func() { go rt.Interrupt(context.Canceled) }))
				_, err := v.try(call + "; entered = null")
				require.ErrorContains(t, err, "context canceled")
				rt.ClearInterrupt()
				assert.Len(t, v.attempts(), len(v.server.seen()), "what was sent is recorded")
				v.spans() // flushes
				assert.Zero(t, v.module.run.provider.Stats().InFlight, "no span is left open")
				assert.Zero(t, v.module.run.hookErrors.Load(), "an interruption is no error of the hook")
			})
		}
	}
}

func TestURLFilter(t *testing.T) {
	t.Parallel()
	v := newVU(t, `
		const filtered = new Client({urlFilter: (url) => url.replace(/secret=[^&]*/, 'secret=x')});
		const broken = new Client({urlFilter: () => 7});
		const throwing = new Client({urlFilter: () => { throw 1 }});`)
	v.run(`
		filtered.get('SERVER/get?a=b|c&secret=key');
		filtered.get('SERVER/redirect-to?secret=key&url=/get%3Fsecret=other');
		broken.get('SERVER/get?secret=key');
		throwing.get('SERVER/get?secret=key');
		http.get('SERVER/get?secret=key', {trace: {urlFilter: () => 'http://other/'}});`)
	var urls []string
	for _, stub := range v.clientSpans() {
		urls = append(urls, strings.TrimPrefix(attr(stub, "url.full"), v.server.URL))
	}
	assert.Equal(t, []string{
		"/get?a=b|c&secret=x", "/redirect-to?secret=x&url=/get%3Fsecret=other", "/get", "/get", "/get",
		"http://other/",
	}, urls)
	assert.Equal(t, "/get?a=b|c&secret=key", v.server.seen()[0].path, "the request itself is not filtered")
	assert.EqualValues(t, 2, v.module.run.hookErrors.Load())
}

// TestRequestsOfAsyncHooksHaveNoHooks: neither do those that are made after an await,
// or a hook would call itself without end.
func TestRequestsOfAsyncHooksHaveNoHooks(t *testing.T) {
	t.Parallel()
	v := newVU(t, `let calls = 0; const hooked = new Client({requestHook: async () => {
		await null;
		if (calls++ < 9) {
			hooked.get('SERVER/get');
			await hooked.asyncRequest('GET', 'SERVER/get');
			hooked.batch(['SERVER/get']);
		}
	}});`)
	assert.EqualValues(t, 2, v.run(`
		hooked.get('SERVER/get');
		await new Promise((resolve) => setTimeout(resolve, 100));
		hooked.get('SERVER/get');
		await new Promise((resolve) => setTimeout(resolve, 100));
		return calls`))
	assert.Len(t, v.server.seen(), 8)
}

// TestRequestsOfHooksJoinTheSpanOfTheirRequest has hooks that run before, after and
// between the attempts of a request within a span.
func TestRequestsOfHooksJoinTheSpanOfTheirRequest(t *testing.T) {
	t.Parallel()
	for how, call := range map[string]string{
		"sync":  `hooked.get('SERVER/flaky/1/503')`,
		"async": `await hooked.asyncRequest('GET', 'SERVER/flaky/1/503')`,
		"batch": `hooked.batch(['SERVER/flaky/1/503'])`,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			v := newVU(t, `const hooked = new Client({
				retry: {attempts: 2, backoff: {initial: 1}},
				requestHook: () => http.get('SERVER/get'), responseHook: () => http.get('SERVER/get'),
			});`)
			trace := v.run(`return await span('own', async (s) => { ` + call + `; return s.traceId })`)
			seen := v.server.seen()
			require.Len(t, seen, 6)
			for i, request := range seen {
				assert.Contains(t, request.header.Get("Traceparent"), trace, "request %d", i)
			}
			outside := v.run(`return (await http.asyncRequest('GET', 'SERVER/get')).trace.traceId`)
			assert.NotEqual(t, trace, outside)
		})
	}
}
