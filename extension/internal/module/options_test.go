package module

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// optionCases are the options of the client and what each does to one request.
func optionCases() map[string]struct {
	options string
	params  string // of the request; its trace options are added
	check   func(t *testing.T, request recorded, stub tracetest.SpanStub)
} {
	type checked = func(t *testing.T, request recorded, stub tracetest.SpanStub)
	header := func(name, pattern string) checked {
		return func(t *testing.T, request recorded, _ tracetest.SpanStub) {
			t.Helper()
			assert.Regexp(t, pattern, request.header.Get(name))
		}
	}
	attribute := func(name, want string) checked {
		return func(t *testing.T, _ recorded, stub tracetest.SpanStub) {
			t.Helper()
			assert.Equal(t, want, attr(stub, name))
		}
	}
	const id32, id16 = `[0-9a-f]{32}`, `[0-9a-f]{16}`
	return map[string]struct {
		options, params string
		check           checked
	}{
		"service":      {`{service: 'shop'}`, ``, attribute("service.peer.name", "shop")},
		"template":     {`{template: '/products/{id}'}`, ``, attribute("url.template", "/products/{id}")},
		"tracecontext": {`{propagators: ['tracecontext']}`, ``, header("Traceparent", `^00-`+id32+`-`+id16+`-01$`)},
		"b3":           {`{propagators: ['b3']}`, ``, header("B3", `^`+id32+`-`+id16+`-1$`)},
		"b3multi":      {`{propagators: ['b3multi']}`, ``, header("X-B3-Traceid", `^`+id32+`$`)},
		"jaeger":       {`{propagators: ['jaeger']}`, ``, header("Uber-Trace-Id", `^`+id32+`:`+id16+`:0:1$`)},
		"xray":         {`{propagators: 'xray'}`, ``, header("X-Amzn-Trace-Id", `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=`+id16+`;Sampled=1$`)},
		"several":      {`{propagators: [' b3 ', 'jaeger', 'b3']}`, ``, header("B3", `^`+id32)},
		"none": {`{propagators: ['none']}`, ``, func(t *testing.T, request recorded, _ tracetest.SpanStub) {
			t.Helper()
			assert.Empty(t, request.header.Get("Traceparent"))
			assert.Equal(t, "TestAgent", request.header.Get("User-Agent"))
		}},
		"correlate":       {`{}`, ``, header("User-Agent", `^TestAgent continuity/`+id32+`-`+id16+`$`)},
		"correlate off":   {`{correlate: 'off'}`, ``, header("User-Agent", `^TestAgent$`)},
		"own agent":       {`{}`, `headers: {'User-Agent': 'mine'}`, header("User-Agent", `^mine$`)},
		"baggage":         {`{baggage: {k: 'a b', n: 1}}`, ``, header("Baggage", `^k=a%20b,n=1$`)},
		"baggage, added":  {`{baggage: {k: 'v'}}`, `headers: {Baggage: 'own=1'}`, header("Baggage", `^own=1,k=v$`)},
		"capture":         {`{captureHeaders: {request: ['X-Own'], sanitize: ['x-.*']}}`, `headers: {'X-Own': 's'}`, attribute("http.request.header.x-own", `["[REDACTED]"]`)},
		"capture answers": {`{captureHeaders: {response: ['content-type']}}`, ``, attribute("http.response.header.content-type", `["application/json; charset=utf-8"]`)},
		"overwritten": {`{}`, `headers: {traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}`, func(t *testing.T, request recorded, _ tracetest.SpanStub) {
			t.Helper()
			assert.Regexp(t, `^00-`+id32, request.header.Get("Traceparent"))
			assert.NotContains(t, request.header.Get("Traceparent"), "0af7651916cd43dd8448eb211c80319c")
		}},
		"continue": {
			`{continue: true}`, `headers: {traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b'}`,
			func(t *testing.T, request recorded, _ tracetest.SpanStub) {
				t.Helper()
				assert.Regexp(t, `^00-0af7651916cd43dd8448eb211c80319c-`+id16+`-01$`, request.header.Get("Traceparent"))
				assert.NotContains(t, request.header.Get("Traceparent"), "b7ad6b7169203331")
				assert.Equal(t, "a=b", request.header.Get("Tracestate"))
			},
		},
		"continue, invalid": {`{continue: true}`, `headers: {traceparent: '00-xyz'}`, header("Traceparent", `^00-`+id32)},
		"random":            {`{randomFlag: true}`, ``, header("Traceparent", `^00-`+id32+`-`+id16+`-03$`)},
		"timings": {`{timings: true}`, ``, func(t *testing.T, _ recorded, stub tracetest.SpanStub) {
			t.Helper()
			assert.NotEmpty(t, attr(stub, "continuity.waiting_ms"))
		}},
	}
}

func TestOptionsPerClientAndPerRequest(t *testing.T) {
	t.Parallel()
	for name, test := range optionCases() {
		for _, place := range []string{"client", "request"} {
			for how, call := range map[string]string{
				"sync":  `client.get('SERVER/get', params)`,
				"async": `await client.asyncRequest('GET', 'SERVER/get', null, params)`,
				"batch": `client.batch([['GET', 'SERVER/get', null, params]])`,
			} {
				t.Run(strings.Join([]string{name, "per", place, how}, " "), func(t *testing.T) {
					t.Parallel()
					perClient, perRequest := test.options, "undefined"
					if place == "request" {
						perClient, perRequest = "{}", test.options
					}
					v := newVU(t, "const client = new Client("+perClient+");")
					v.run(`const params = Object.freeze({trace: ` + perRequest + `, ` + test.params + `}); ` + call)
					spans := v.clientSpans()
					require.Len(t, spans, 1)
					require.Len(t, v.server.seen(), 1)
					test.check(t, v.server.seen()[0], spans[0])
				})
			}
		}
	}
}

func TestExcludedURLsAreOutsideTracing(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const client = new Client({excludedURLs: ['/health$'], responseHook: () => { throw 1 }});`)
	got := v.run(`
		const params = {trace: {excludedURLs: ['/get']}};
		return [client.get('SERVER/anything/health'), http.get('SERVER/get', params),
			(await client.asyncRequest('GET', 'SERVER/anything/health')),
			client.batch(['SERVER/anything/health'])[0]].map((r) => r.status + String(r.trace)).join()`)
	assert.Equal(t, "200null,200null,200null,200null", got)
	for _, request := range v.server.seen() {
		assert.Empty(t, request.header.Get("Traceparent"))
		assert.Equal(t, "TestAgent", request.header.Get("User-Agent"))
	}
	assert.Empty(t, v.spans())
	assert.Empty(t, v.attempts())
	assert.EqualValues(t, 4, v.module.run.excluded.Load(), "they are counted")
}

// TestARedirectLeadsIntoTracing: of a request whose own URL is excluded, the hops to
// other URLs are traced, in every attempt.
func TestARedirectLeadsIntoTracing(t *testing.T) {
	t.Parallel()
	for form, call := range map[string]string{
		"sync":  `client.get(url)`,
		"async": `await client.asyncRequest('GET', url)`,
		"batch": `client.batch([url])[0]`,
		"plain": `(instrument({excludedURLs: ['redirect']}), plain.get(url), plain.get(url), {trace: {attempts: 2}})`,
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			v := newVU(t, `let hooked = 0; const client = new Client({
				excludedURLs: ['redirect'], retry: {attempts: 2, backoff: {initial: 1}},
				responseHook: () => hooked++,
			});`)
			attempts := v.run(`const url = 'SERVER/redirect-to?url=/flaky/1/503';
				const inside = await span('own', async () => ` + call + `);
				return inside.trace.attempts`)
			assert.EqualValues(t, 2, attempts)
			seen := v.server.seen()
			require.Len(t, seen, 4)
			for i, request := range seen {
				assert.Equal(t, i%2 == 1, request.header.Get("Traceparent") != "", "request %d", i)
			}
			spans := v.clientSpans()
			require.Len(t, spans, 2)
			for _, stub := range spans {
				assert.Equal(t, v.server.URL+"/flaky/1/503", attr(stub, "url.full"))
			}
			require.Eventually(t, func() bool {
				stats := v.module.run.provider.Stats()
				return len(v.spans()) > 0 && stats.Started == stats.Exported
			}, time.Minute, time.Millisecond, "every span has ended")
			assert.Len(t, v.attempts(), 2)
		})
	}
}

func TestSampling(t *testing.T) {
	t.Parallel()
	const sampled = `continue: true, sampling: `
	for options, want := range map[string]string{
		`sampling: 0`: "00", `sampling: 1`: "01", `sampling: 'always_off'`: "00",
		`sampling: 'always_on'`:                                     "01",
		`sampling: {sampler: 'traceidratio', ratio: 0}`:             "00",
		`sampling: {ratio: 1}`:                                      "01",
		`sampling: {ratio: 0}`:                                      "00",
		sampled + `'parentbased_always_off'`:                        "01", // the parent is sampled
		sampled + `'always_off'`:                                    "00",
		sampled + `{sampler: 'parentbased_traceidratio', ratio: 0}`: "01",
	} {
		v := newVU(t, "const client = new Client({"+options+"});")
		got := v.run(`return client.get('SERVER/get', {headers:
			{traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}}).trace.sampled`)
		assert.Regexp(t, `-`+want+`$`, v.server.seen()[0].header.Get("Traceparent"), options)
		assert.Equal(t, want == "01", got, options)
		assert.Len(t, v.clientSpans(), map[string]int{"00": 0, "01": 1}[want], options)
	}
}

func TestSamplingOfARequestTakesThePlaceOfTheClients(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const client = new Client({sampling: 0});`)
	for options, want := range map[string]bool{
		`'traceidratio'`: true, `{sampler: 'traceidratio'}`: true, `{ratio: 1}`: true, `{}`: true,
	} {
		assert.Equal(t, want, v.run(`return client.get('SERVER/get',
			{trace: {sampling: `+options+`}}).trace.sampled`), options)
	}
}
