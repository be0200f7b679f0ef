package module

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAHookThatCallsItselfWithoutEndIsAnError has both kinds of recursion: in
// JavaScript alone, which takes memory, and through native functions, which
// takes the stack of the process and would end it.
func TestAHookThatCallsItselfWithoutEndIsAnError(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"in JavaScript":       `const deep = (n) => deep(n + 1) + 1; deep(0)`,
		"through natives":     `const deep = () => [1].map(deep); deep()`,
		"caught in the hook":  `const deep = () => { try { deep() } finally { } }; deep()`,
		"by application span": `const deep = () => span('deep', deep); deep()`,
	} {
		for _, option := range []string{"requestHook", "responseHook", "urlFilter"} {
			t.Run(option+" "+name, func(t *testing.T) {
				t.Parallel()
				v := newVU(t, `const hooked = new Client({`+option+`: () => { `+body+` }});`)
				assert.Equal(t, "200,200,200", v.run(`
					return [hooked.get('SERVER/get').status,
						(await hooked.asyncRequest('GET', 'SERVER/get')).status,
						hooked.batch(['SERVER/get'])[0].status].join()`))
				assert.GreaterOrEqual(t, v.module.run.hookErrors.Load(), uint64(3))
				require.Len(t, v.warnings.all(), 1)
				assert.Regexp(t, option+` failed: .*(more than 1000 calls are nested|`+
					`span\(\) is nested more than 1000 deep)`, v.warnings.all()[0])
				// The bound is gone with the hook: the script's own calls have none.
				assert.EqualValues(t, 20_000, v.run(
					`const deep = (n) => n ? deep(n - 1) + 1 : 0; return deep(20000)`))
			})
		}
	}
}

func TestSpansThatNestWithoutEndAreAnError(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	_, err := v.try(`const deep = () => span('deep', deep); deep()`)
	require.ErrorContains(t, err, "span() is nested more than 1000 deep")
	spans := v.spans()
	require.Len(t, spans, 1_000)
	for _, stub := range spans {
		require.False(t, stub.EndTime.IsZero(), "every span has ended")
	}
	assert.EqualValues(t, 200, v.run(`return span('after', () => http.get('SERVER/get').status)`))
}

func TestAURLFilterMaySendRequestsOfItsOwn(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const filtered = new Client({urlFilter: (url) => {
		filtered.get('SERVER/anything/own');
		return url + '#filtered';
	}});`)
	v.run(`filtered.get('SERVER/get')`)
	seen := v.server.seen()
	require.Len(t, seen, 2)
	assert.Equal(t, "/anything/own", seen[0].path)
	var urls []string
	for _, stub := range v.clientSpans() {
		urls = append(urls, attr(stub, "url.full"))
	}
	assert.Equal(t, []string{
		v.server.URL + "/anything/own", v.server.URL + "/get#filtered",
	}, urls)
}

func TestURLTemplatesAreURLsForHooksFiltersAndExclusion(t *testing.T) {
	t.Parallel()
	v := newVU(t, `
		const urls = [];
		const hooked = new Client({requestHook: (_, request) => { urls.push(request.url) },
			urlFilter: (url) => { urls.push(url); return url + '?filtered' }});
		const excluding = new Client({excludedURLs: ['/anything/7$']});`)
	got := v.run(`
		hooked.get(http.url` + "`SERVER/anything/${7}`" + `);
		const none = excluding.get(http.url` + "`SERVER/anything/${7}`" + `);
		return urls.concat(String(none.trace))`)
	target := v.server.URL + "/anything/7"
	assert.Equal(t, []any{target, target, "null"}, got)
	for _, stub := range v.spans() {
		assert.Equal(t, target+"?filtered", attr(stub, "url.full"), stub.SpanKind)
	}
	assert.EqualValues(t, 1, v.module.run.excluded.Load())
}
