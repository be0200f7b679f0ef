package module

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFunctionsHaveNamedExportsAsThoseOfK6(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const { get, expectedStatuses } = continuity;`)
	assert.Empty(t, v.run(`return Object.getOwnPropertyNames(plain)
			.filter((name) => continuity[name] !== http[name]).join()`))
	assert.Equal(t, true, v.run(`return get('SERVER/get').trace.attempts === 1`))
	assert.Equal(t, true, v.run(`return expectedStatuses(200) instanceof Object`))
	assert.Len(t, v.clientSpans(), 1)
}

func TestInstrumentReachesNamedImportsOfK6(t *testing.T) {
	t.Parallel()
	dir, server := t.TempDir(), newRecorder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script.js"), []byte(`
		import { get, asyncRequest } from 'k6/http';
		import { instrument } from 'k6/x/continuity';
		instrument({ retry: 2 });
		export default async function () {
			const url = __ENV.SERVER + '/flaky/1/503';
			console.log(get(url + '?a').trace.attempts, (await asyncRequest('GET', url)).trace.attempts);
		}`), 0o600))
	run := runK6(t, dir, nil, "run", "--quiet", "--env", "SERVER="+server.URL, "script.js")
	require.Zero(t, run.code, run.stderr)
	assert.Contains(t, run.stderr, `msg="2 2"`)
}
