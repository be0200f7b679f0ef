package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// k6's exit code when a script throws in its init code.
const scriptException = 107

func TestEndToEndBadInput(t *testing.T) {
	t.Parallel()
	const shop = "const shop = toxiproxy.proxy('shop', { upstream: '127.0.0.1:9' });"
	plan := func(phase string) string {
		return shop + "toxiproxy.plan({ name: 'p', phases: [" + phase + "] });"
	}
	for name, c := range map[string]struct{ init, want string }{
		"an unknown option of the client": {
			"new Client({ retries: 3 });", "Client.retries is not an option",
		},
		"an option of the wrong type": {
			"new Client({ service: 7 });", "Client.service must be a string, got 7",
		},
		"a number out of range": {
			"new Client({ retry: 21 });",
			"Client.retry.attempts must be between 1 and 20, got 21",
		},
		"an unknown propagator": {"new Client({ propagators: ['w3c'] });", `"w3c"`},
		"an unknown source": {
			"configure({ source: 'zipkin' });", `configure.source "zipkin" is unknown: accepted are`,
		},
		"an unknown option of configure": {
			"configure({ settel: '1s' });", "configure.settel is not an option",
		},
		"a settle time of nothing": {
			"configure({ settle: 0 });", "configure.settle must be above 0",
		},
		"an unknown toxic": {
			plan("{ name: 'a', duration: '1s', toxics: [{ proxy: 'shop', type: 'http_teapot' }] }"),
			`"http_teapot"`,
		},
		"an unknown attribute of a toxic": {
			plan("{ name: 'a', duration: '1s', toxics: [{ proxy: 'shop', type: 'http_status', " +
				"attributes: { code: 503 } }] }"),
			"code is not an attribute",
		},
		"a plan with an unknown proxy": {
			plan("{ name: 'a', duration: '1s', toxics: [{ proxy: 'cart', type: 'http_status' }] }"),
			`must be one of the proxies ["shop"], got "cart"`,
		},
		"a plan with a negative duration": {
			plan("{ name: 'a', duration: '-1s' }"),
			`phases[0].duration must be a duration above 0 such as "10s", got "-1s"`,
		},
		"a proxy without an upstream": {
			"toxiproxy.proxy('shop', {});", `toxiproxy.proxy("shop").upstream must be`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			r := e.run(e.script(`
import http, { Client, configure, toxiproxy } from 'k6/x/continuity';
%s
export default function () {}
`, c.init), nil)
			assert.Equal(t, scriptException, r.code, r.output)
			assert.Contains(t, strings.ReplaceAll(r.output, `\"`, `"`), c.want)
			assert.NotContains(t, r.output, "panic")
		})
	}
}

// A run that has happened is reported, whatever becomes of the script.
func TestEndToEndAScriptThatThrowsMidwayStillReports(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	e := newEnv(t)
	r := e.run(e.script(`
import http, { configure } from 'k6/x/continuity';
configure({ settle: '1s' });
export const options = { iterations: 3 };
export default function () {
  http.get('%s/');
  if (__ITER === 1) { throw new Error('midway'); }
}
`, server.URL), nil)
	require.Equal(t, 0, r.code, r.output)
	assert.Contains(t, r.output, "midway")
	requireSums(t, r)
	assert.EqualValues(t, 3, r.report.Totals.Attempts)
	assert.EqualValues(t, 3, r.report.Totals.Verdicts["missing"], "the server exports no span")
}

func TestEndToEndAPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	taken := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(taken.Close)
	e := newEnv(t)
	e.http = strings.TrimPrefix(taken.URL, "http://")
	r := e.run("scripts/negative-control.js", nil)
	assert.Equal(t, scriptException, r.code, r.output)
	assert.Contains(t, r.output, e.http)
	assert.Contains(t, r.output, "listen.http")
}

func TestEndToEndResultsMustBeADirectory(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	r := e.run("scripts/negative-control.js", map[string]string{"K6_CONTINUITY_RESULTS": file})
	assert.Equal(t, scriptException, r.code, r.output)
	assert.Contains(t, r.output, "configure.results")
	assert.Contains(t, r.output, file)
}
