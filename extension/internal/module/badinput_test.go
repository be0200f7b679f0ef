package module

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// badOptions are options with a wrong type, range or name, and the error that
// names them, behind the path of the object they are in.
func badOptions() []struct{ options, message string } {
	return []struct{ options, message string }{
		{`{servce: 'x'}`, `.servce is not an option; accepted are baggage, captureHeaders, continue, ` +
			`correlate, excludedURLs, propagators, randomFlag, requestHook, responseHook, retry, sampling, ` +
			`SCOPEservice, template, timings, urlFilter`},
		{`{service: 1}`, `.service must be a string, got 1`},
		{`{template: {}}`, `.template must be a string, got an object`},
		{`{propagators: 7}`, `.propagators must be an array of strings, got 7`},
		{`{propagators: ['w3c']}`, `.propagators must be of tracecontext, baggage, b3, b3multi, jaeger, xray, none, got "w3c"`},
		{`{propagators: ['none', 'b3']}`, `.propagators: none cannot be combined, got ["none" "b3"]`},
		{`{propagators: ['b3', 1]}`, `.propagators[1] must be a string, got 1`},
		{`{sampling: 1.5}`, `.sampling ratio must be between 0 and 1, got 1.5`},
		{`{sampling: 'sometimes'}`, `.sampling must be a ratio or one of always_on, always_off, traceidratio, ` +
			`parentbased_always_on, parentbased_always_off, parentbased_traceidratio, got "sometimes"`},
		{`{sampling: true}`, `.sampling must be a ratio, the name of a sampler, or an object with sampler and ratio, got true`},
		{`{sampling: {rate: 1}}`, `.sampling.rate is not an option; accepted are ratio, sampler`},
		{`{retry: 0}`, `.retry.attempts must be between 1 and 20, got 0`},
		{`{retry: 21}`, `.retry.attempts must be between 1 and 20, got 21`},
		{`{retry: 1.5}`, `.retry must be a whole number, got 1.5`},
		{`{retry: 'often'}`, `.retry must be a number of attempts or an object, got "often"`},
		{`{retry: {attempt: 2}}`, `.retry.attempt is not an option; accepted are attempts, backoff, errors, methods, respectRetryAfter, statuses`},
		{`{retry: {statuses: [99]}}`, `.retry.statuses must be between 100 and 599, got 99`},
		{`{retry: {statuses: 503}}`, `.retry.statuses must be an array of whole numbers, got 503`},
		{`{retry: {statuses: ['503']}}`, `.retry.statuses[0] must be a whole number, got "503"`},
		{`{retry: {statuses: [1e20]}}`, `.retry.statuses[0] must be a whole number, got 1e+20`},
		{`{retry: {errors: 1}}`, `.retry.errors must be true or false, got 1`},
		{`{retry: {methods: ['get']}}`, `.retry.methods must be upper-case methods, got "get"`},
		{`{retry: {backoff: {initial: 'soon'}}}`, `.retry.backoff.initial must be a duration such as "10s" or a number of milliseconds, 0 or more, got "soon"`},
		{`{retry: {backoff: {initial: -1}}}`, `.retry.backoff.initial must be a duration such as "10s" or a number of milliseconds, 0 or more, got -1`},
		{`{retry: {backoff: {initial: '9s'}}}`, `.retry.backoff.initial must be at most max (5s), got 9s`},
		{`{retry: {backoff: {multiplier: 0}}}`, `.retry.backoff.multiplier must be between 1 and 100, got 0`},
		{`{retry: {backoff: {jitter: 2}}}`, `.retry.backoff.jitter must be between 0 and 1, got 2`},
		{`{retry: {backoff: {jitter: NaN}}}`, `.retry.backoff.jitter must be a number, got NaN`},
		{`{retry: {backoff: 5}}`, `.retry.backoff must be an object, got 5`},
		{`{requestHook: 'x'}`, `.requestHook must be a function, got "x"`},
		{`{responseHook: {}}`, `.responseHook must be a function, got an object`},
		{`{urlFilter: 1}`, `.urlFilter must be a function, got 1`},
		{`{captureHeaders: ['a']}`, `.captureHeaders must be an object, got an array`},
		{`{captureHeaders: {req: []}}`, `.captureHeaders.req is not an option; accepted are request, response, sanitize`},
		{`{captureHeaders: {sanitize: ['(']}}`, `.captureHeaders.sanitize must be header names or regular expressions, got "("`},
		{`{excludedURLs: ['(']}`, `.excludedURLs must be regular expressions, got "("`},
		{`{excludedURLs: [null]}`, `.excludedURLs[0] must be a string, got nothing`},
		{`{correlate: 'on'}`, `.correlate must be "user-agent" or "off", got "on"`},
		{`{correlate: true}`, `.correlate must be a string, got true`},
		{`{timings: 'yes'}`, `.timings must be true or false, got "yes"`},
		{`{continue: 0}`, `.continue must be true or false, got 0`},
		{`{randomFlag: '03'}`, `.randomFlag must be true or false, got "03"`},
		{`{baggage: []}`, `.baggage must be an object of strings, got an array`},
		{`{baggage: {k: {}}}`, `.baggage.k must be a string, a number or a boolean, got an object`},
		{`{baggage: {'a b': 'x'}}`, ".baggage keys must be tokens of letters, digits and !#$%&'*+-.^_`|~, got \"a b\""},
		{`7`, ` must be an object, got 7`},
		{`'x'`, ` must be an object, got "x"`},
		{`[]`, ` must be an object, got an array`},
		{`() => 1`, ` must be an object, got a function`},
	}
}

func TestWrongOptionsGiveOneErrorThatNamesThem(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	for _, place := range []struct{ name, path, scope string }{
		{"of a client", "Client", "scope, "},
		{"of instrument", "instrument", "scope, "},
		{"of a request", "params.trace", ""},
	} {
		for _, bad := range badOptions() {
			message := place.path + replaceScope(bad.message, place.scope)
			var err error
			switch place.path {
			case "Client":
				err = newInitVUForErrors(t).tryInit("new Client(" + bad.options + ")")
			case "instrument":
				err = newInitVUForErrors(t).tryInit("instrument(" + bad.options + ")")
			default:
				_, err = v.try("http.get('SERVER/get', {trace: " + bad.options + "})")
			}
			if assert.Error(t, err, "%s %s", place.name, bad.options) {
				assert.Contains(t, err.Error(), message, "%s %s", place.name, bad.options)
			}
			t.Logf("| %s | %s |", bad.options, err)
		}
	}
	_, err := v.try(`http.batch([['GET', 'SERVER/get'], ['GET', 'SERVER/get', null, {trace: {retry: 0}}]])`)
	require.ErrorContains(t, err, "batch request 1: params.trace.retry.attempts must be between 1 and 20, got 0")
	_, err = v.try(`await http.asyncRequest('GET', 'SERVER/get', null, {trace: {retry: 0}})`)
	require.ErrorContains(t, err, "params.trace.retry.attempts must be between 1 and 20, got 0")
	_, err = v.try(`http.get('SERVER/get', {trace: {scope: 'iteration'}})`)
	require.ErrorContains(t, err, "params.trace.scope is not an option")
	require.ErrorContains(t, newInitVUForErrors(t).tryInit(`new Client({scope: 'vu'})`),
		`Client.scope must be "request" or "iteration", got "vu"`)
	assert.Empty(t, v.server.seen(), "a request with wrong options is not sent")
}

func TestTheWrongContextGivesOneError(t *testing.T) {
	t.Parallel()
	for code, message := range map[string]string{
		`http.get('SERVER/get')`:                 "Making http requests in the init context is not supported",
		`http.batch(['SERVER/get'])`:             "Using batch in the init context is not supported",
		`http.asyncRequest('GET', 'SERVER/get')`: "Making http requests in the init context is not supported",
		`http.cookieJar()`:                       "Making http requests in the init context is not supported",
		`span('a', () => 1)`:                     "span() must not be called in the init context",
	} {
		err := newInitVU(t).tryInit(code)
		if code == `http.cookieJar()` {
			require.Error(t, err)
			continue
		}
		require.ErrorContains(t, err, message, code)
	}
	v := newVU(t, "")
	for code, message := range map[string]string{
		`new Client({})`: "new Client() must be called in the init context",
		`configure({})`:  "configure() must be called in the init context",
		`instrument({retry: 2})`: "instrument() with retry, requestHook, responseHook or urlFilter " +
			"must be called in the init context",
	} {
		_, err := v.try(code)
		require.ErrorContains(t, err, message, code)
	}
}

func TestWrongSpansGiveOneError(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	for code, message := range map[string]string{
		`span()`:                                          "span name must be a string that is not empty",
		`span('', () => 1)`:                               "span name must be a string that is not empty",
		`span(7, () => 1)`:                                "span name must be a string that is not empty",
		`span('a')`:                                       "span must be called as span(name, fn) or span(name, attributes, fn)",
		`span('a', {}, 1)`:                                "span must be called as span(name, fn) or span(name, attributes, fn)",
		`span('a', {}, () => 1, 2)`:                       "span must be called as span(name, fn) or span(name, attributes, fn)",
		`span('a', 7, () => 1)`:                           "span attributes must be an object, got 7",
		`span('a', {k: {}}, () => 1)`:                     `span attributes: attribute "k" must be a string, a number, a boolean or an array of one of these, got an object`,
		`span('a', {'': 1}, () => 1)`:                     "span attributes: attribute keys must not be empty",
		`span('a', {k: [1, 'x']}, () => 1)`:               `span attributes: attribute "k" must be a string`,
		`span('a', (s) => s.setAttribute('k', {}))`:       `setAttribute: attribute "k" must be a string`,
		`span('a', (s) => s.addEvent('e', {k: null}))`:    `addEvent: attribute "k" must be a string`,
		`span('a', (s) => s.addEvent('e', 5))`:            "addEvent: attributes must be an object, got 5",
		`span('a', (s) => s.addEvent())`:                  "addEvent: name must be a string that is not empty, got nothing",
		`span('a', (s) => s.setAttributes('x'))`:          `setAttributes: attributes must be an object, got "x"`,
		`span('a', (s) => s.updateName(''))`:              `updateName: name must be a string that is not empty, got ""`,
		`span('a', () => { throw new Error('mine') })`:    "mine",
		`await span('a', async () => { throw 'mine' })`:   "mine",
		`await span('a', () => Promise.reject('mine'))`:   "mine",
		`await span('a', async () => { await 1; x.y() })`: "x is not defined",
	} {
		_, err := v.try(code)
		require.ErrorContains(t, err, message, code)
	}
	for _, stub := range v.spans() {
		assert.False(t, stub.EndTime.IsZero(), "every span has ended")
	}
}
