package module

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
)

const retrying = `const retried = new Client({retry: {attempts: 3, backoff: {initial: 1, max: 2}}});`

func paths(requests []recorded) (out []string) {
	for _, request := range requests {
		out = append(out, request.method+" "+request.path)
	}
	return out
}

func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request string // method, path, body, params
		want    int    // attempts
		status  int
	}{
		"until it succeeds":               {`'GET', 'SERVER/flaky/1/503'`, 2, 200},
		"no more than attempts":           {`'GET', 'SERVER/flaky/9/503'`, 3, 503},
		"the last response is returned":   {`'GET', 'SERVER/flaky/9/429'`, 3, 429},
		"not after success":               {`'GET', 'SERVER/flaky/0/503'`, 1, 200},
		"not for another status":          {`'GET', 'SERVER/flaky/9/500'`, 1, 500},
		"for a status of one's own":       {`'GET', 'SERVER/flaky/1/418', null, {trace: {retry: {statuses: [418]}}}`, 2, 200},
		"not for a method not idempotent": {`'POST', 'SERVER/flaky/1/503', 'x'`, 1, 503},
		"for a method of one's own":       {`'POST', 'SERVER/flaky/1/503', 'x', {trace: {retry: {methods: ['POST']}}}`, 2, 200},
		"in lower case":                   {`'put', 'SERVER/flaky/1/503', 'x'`, 2, 200},
		"a dropped connection":            {`'PUT', 'SERVER/flaky/1/0', 'x'`, 2, 200},
		"not errors when they are off":    {`'PUT', 'SERVER/flaky/9/0', 'x', {trace: {retry: {errors: false}}}`, 1, 0},
		"with Retry-After in seconds":     {`'GET', 'SERVER/flaky/1/503?after=0'`, 2, 200},
		"with Retry-After as a past date": {`'GET', 'SERVER/flaky/1/503?after=Wed,%2021%20Oct%202015%2007:28:00%20GMT'`, 2, 200},
		"off for one request":             {`'GET', 'SERVER/flaky/1/503', null, {trace: {retry: 1}}`, 1, 503},
	} {
		for how, call := range map[string]string{
			"sync":  `const res = retried.request(REQUEST)`,
			"async": `const res = await retried.asyncRequest(REQUEST)`,
			"batch": `const res = retried.batch([[REQUEST]])[0]`,
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				v := newVU(t, retrying)
				got := v.run(strings.Replace(call, "REQUEST", test.request, 1) +
					`; return [res.status, res.trace.attempts, res.trace.traceId]`).([]any)
				assert.EqualValues(t, test.status, got[0])
				assert.EqualValues(t, test.want, got[1])
				assert.Len(t, v.server.seen(), test.want)
				traces := make(map[string]bool)
				for i, attempt := range v.attempts() {
					assert.EqualValues(t, i+1, attempt.Number)
					assert.EqualValues(t, i, attempt.Resend)
					assert.Equal(t, i > 0, attempt.Backoff > 0 || strings.Contains(name, "Retry-After") && i > 0)
					traces[attempt.TraceID.String()] = true
				}
				assert.Equal(t, map[string]bool{got[2].(string): true}, traces)
			})
		}
	}
}

func TestBatchSendsOnlyFailedEntriesAgain(t *testing.T) {
	t.Parallel()
	v := newVU(t, retrying)
	got := v.run(`
		const list = retried.batch(['SERVER/get?a', 'SERVER/flaky/1/503', 'SERVER/flaky/2/502', 'SERVER/flaky/9/429']);
		const object = retried.batch({ok: 'SERVER/get?b', bad: 'SERVER/flaky/1/504', own: ['GET', 'SERVER/flaky/9/503', null, {trace: {retry: 2}}]});
		return [list.map((r) => r.status + 'x' + r.trace.attempts).join(),
			Object.keys(object).sort().map((k) => k + object[k].status + 'x' + object[k].trace.attempts).join()]`)
	assert.Equal(t, []any{"200x1,200x2,200x3,429x3", "bad200x2,ok200x1,own503x2"}, got)
	count := make(map[string]int)
	for _, path := range paths(v.server.seen()) {
		count[path]++
	}
	assert.Equal(t, map[string]int{
		"GET /get?a": 1, "GET /flaky/1/503": 2, "GET /flaky/2/502": 3, "GET /flaky/9/429": 3,
		"GET /get?b": 1, "GET /flaky/1/504": 2, "GET /flaky/9/503": 2,
	}, count)
}

// TestAThrowingEntryOfABatch has one that fails, among others, with an error that k6
// throws: it is retried as any other, and its last error is thrown in the end.
func TestAThrowingEntryOfABatch(t *testing.T) {
	t.Parallel()
	const client = `const seen = [], throwing = new Client({
		retry: {attempts: 3, backoff: {initial: 1}}, responseHook: (span, res) => seen.push(res.status),
	});`
	v := newVU(t, client)
	assert.Equal(t, "200x2", v.run(`
		const [res] = throwing.batch([['GET', 'SERVER/flaky/1/0', null, {throw: true}]]);
		return res.status + 'x' + res.trace.attempts`))
	v = newVU(t, client)
	assert.Equal(t, "unexpected EOF,200,200,503", v.run(`
		try {
			throwing.batch({cut: ['GET', 'SERVER/cut', null, {throw: true}],
				other: 'SERVER/get', again: 'SERVER/flaky/1/503'});
		} catch (e) { return e.message + ',' + seen.sort() }`))
	assert.Len(t, v.server.seen(), 6, "three attempts, one, and two")
	failed := 0
	for _, stub := range v.spans() {
		if stub.SpanKind.String() == "internal" && stub.Status.Code == codes.Error {
			failed++
		}
	}
	assert.Equal(t, 1, failed, "the others are no failures")
}

func TestRetrySendsTheSameBytesAgain(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"text":        `'some text'`,
		"form":        `{a: '1', b: ['2', '3'], c: 4}`,
		"ArrayBuffer": `new Uint8Array([0, 1, 254, 255]).buffer`,
		"multipart":   `{f: http.file(new Uint8Array([0, 255]).buffer, 'f.bin', 'x/y'), g: 'h', i: 'j', k: 'l'}`,
		"compressed":  `'x'.repeat(500)`,
	} {
		for how, call := range map[string]string{
			"sync":  `retried.put('SERVER/flaky/2/503', BODY, params)`,
			"async": `await retried.asyncRequest('PUT', 'SERVER/flaky/2/503', BODY, params)`,
			"batch": `retried.batch([['PUT', 'SERVER/flaky/2/503', BODY, params]])`,
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				v := newVU(t, retrying)
				params := `const params = {headers: {'X-Own': '1'}};`
				if name == "compressed" {
					params = `const params = {compression: 'gzip'};`
				}
				v.run(params + strings.Replace(call, "BODY", body, 1))
				seen := v.server.seen()
				require.Len(t, seen, 3)
				assert.NotEmpty(t, seen[0].body)
				for _, again := range seen[1:] {
					assert.Equal(t, seen[0].body, again.body)
					assert.Equal(t, seen[0].header["Content-Type"], again.header["Content-Type"])
					assert.Equal(t, seen[0].header["Content-Length"], again.header["Content-Length"])
					assert.Equal(t, seen[0].header["X-Own"], again.header["X-Own"])
				}
			})
		}
	}
}

func TestAuthenticationSurvivesRetries(t *testing.T) {
	t.Parallel()
	for how, call := range map[string]string{
		"sync":  `return [retried.get(url, params)]`,
		"async": `return [await retried.asyncRequest('GET', url, null, params)]`,
		"batch": `return retried.batch([['GET', url, null, params]])`,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			v := newVU(t, retrying)
			assert.Equal(t, "503x3", v.run(`
				const url = http.url`+"`${'SERVER'.replace('//', '//user:pass@')}/status/${503}`"+`;
				const params = {auth: 'digest'};
				const [res] = await (async () => { `+call+` })();
				return res.status + 'x' + res.trace.attempts`))
			for i, request := range v.server.seen() {
				assert.NotEmpty(t, request.header.Get("Authorization"), "attempt %d", i+1)
			}
		})
	}
}

func TestBackoffEndsWithTheVU(t *testing.T) {
	t.Parallel()
	for how, call := range map[string]string{
		"sync":  `return [slow.get('SERVER/flaky/9/503')]`,
		"batch": `return slow.batch(['SERVER/flaky/9/503'])`,
		"async": `return [await slow.asyncRequest('GET', 'SERVER/flaky/9/503')]`,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			v := newVU(t, `const slow = new Client({retry: {attempts: 5, backoff: {initial: '1h', max: '1h'}},
				responseHook: () => interrupt()});`)
			rt := v.runtime.VU.Runtime()
			ctx, cancel := context.WithCancel(t.Context())
			v.runtime.VU.CtxField = ctx
			require.NoError(t, rt.Set("interrupt", func() { go cancel() }))
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = v.try(call)
			}()
			select {
			case <-done:
			case <-time.After(time.Minute):
				require.Fail(t, "the backoff outlived the VU")
			}
			assert.Len(t, v.server.seen(), 1)
		})
	}
}

func TestAsyncBackoffDoesNotBlockTheEventLoop(t *testing.T) {
	t.Parallel()
	v := newVU(t, `let failed; const waits = new Promise((resolve) => { failed = resolve });
		const slow = new Client({retry: {attempts: 2, backoff: {initial: '1h', max: '1h'}},
			responseHook: () => failed()});`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // the end of a loop that is blocked
	defer cancel()
	v.runtime.VU.CtxField = ctx
	require.NoError(t, v.runtime.VU.Runtime().Set("interrupt", func() { cancel() }))
	assert.Equal(t, "timer,second,interrupted", v.run(`
		const order = [];
		const first = slow.asyncRequest('GET', 'SERVER/flaky/1/503').catch(() => order.push('interrupted'));
		await waits;
		await new Promise((resolve) => setTimeout(resolve, 1)); order.push('timer');
		await http.asyncRequest('GET', 'SERVER/get'); order.push('second');
		interrupt(); await first;
		return order.join()`))
}

func TestNothingIsRetriedThatWasNotSent(t *testing.T) {
	t.Parallel()
	v := newVU(t, retrying)
	got := v.run(`
		const a = retried.get('http://[::1/'), b = await retried.asyncRequest('GET', 'http://[::1/');
		const [c] = retried.batch(['http://[::1/']);
		return [a, b, c].map((r) => r.error_code + String(r.trace)).join()`)
	assert.Equal(t, "1020null,1020null,1020null", got)
	assert.Empty(t, v.attempts())
}

func TestFormsAndLinksHaveTheOptionsOfTheirClient(t *testing.T) {
	t.Parallel()
	v := newVU(t, countingHooks)
	got := v.run(`
		const page = hooked.get('SERVER/page'); calls.length = 0;
		const link = page.clickLink(), form = page.submitForm({params: {trace: {service: 'forms'}}});
		return [link.trace.attempts, form.trace.attempts, link.trace.traceId !== form.trace.traceId, calls.join()]`)
	assert.Equal(t, []any{int64(1), int64(1), true, ">GET1,<200,>POST1,<200"}, got)
	spans := v.clientSpans()
	require.Len(t, spans, 3)
	assert.Equal(t, "forms", attr(spans[2], "service.peer.name"))
	_, err := v.try(`hooked.get('SERVER/page').clickLink({params: {trace: {retry: 0}}})`)
	require.ErrorContains(t, err, "params.trace.retry.attempts must be between 1 and 20, got 0")
}
