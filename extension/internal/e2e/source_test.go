package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// sourceScript sends one request to a server that exports nothing itself.
const sourceScript = `
import http, { configure } from 'k6/x/continuity';
configure({ source: '%s', settle: '4s', html: false });
export default function () { http.get('%s/'); }
`

// answering is a backend in one of its moods.
func answering(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

func status(code int, contentType, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, body)
	}
}

// jaegerEmpty is a Jaeger that has nothing; tempoEmpty is such a Tempo.
func jaegerEmpty(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/v3/services":
		status(200, "application/json", `{"services":["shop"]}`)(w, r)
	case "/api/traces":
		status(200, "application/json", `{"data":[],"errors":null}`)(w, r)
	default:
		status(404, "text/plain", `{"error":{"httpCode":404,"message":"no traces found"}}`)(w, r)
	}
}

func tempoEmpty(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/echo":
		status(200, "text/plain", "echo")(w, r)
	case "/api/search":
		status(200, "application/json", `{"traces":[],"metrics":{}}`)(w, r)
	default:
		status(404, "text/plain", "trace not found")(w, r)
	}
}

// hanging takes the request and never answers.
func hanging(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// tempoPartial says that it has more than it returns.
func tempoPartial(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/v2/traces/") {
		status(200, "application/protobuf", "\x18\x01\x22\x09too large")(w, r)
		return
	}
	tempoEmpty(w, r)
}

// Every kind of source, and every mood of a backend, in a report of the built
// k6: absence is proof only where the source is sure of it.
func TestEndToEndSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "spans.jsonl"), []byte("{}\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "damaged.jsonl"), []byte("{oops\n"), 0o600))
	for name, c := range map[string]struct{ source, verdict, reason string }{
		"otlp":                   {"otlp", "missing", "no SERVER span"},
		"none":                   {"none", "undecided", "there is no source of spans"},
		"file":                   {"file=" + dir + "/spans*", "missing", "no SERVER span"},
		"file that is not there": {"file=" + dir + "/none*", "undecided", "no file matches"},
		"file that is damaged":   {"file=" + dir + "/damaged*", "undecided", "damaged file"},
		"jaeger": {
			"jaeger=" + answering(t, jaegerEmpty), "missing", "no SERVER span",
		},
		"jaeger 404 of another": {
			"jaeger=" + answering(t, status(404, "text/html", "<html>")), "undecided", "status 404",
		},
		"jaeger 500": {
			"jaeger=" + answering(t, status(500, "text/plain", "oops")), "undecided", "status 500: oops",
		},
		"jaeger garbage": {
			"jaeger=" + answering(t, status(200, "text/html", "<html>")), "undecided", "reading answer",
		},
		"jaeger that hangs": {
			"jaeger=" + answering(t, hanging), "undecided", "",
		},
		"jaeger not there": {"jaeger=http://127.0.0.1:1", "undecided", "connection refused"},
		"tempo":            {"tempo=" + answering(t, tempoEmpty), "missing", "no SERVER span"},
		"tempo partial": {
			"tempo=" + answering(t, tempoPartial), "undecided", "partial trace: too large",
		},
		"tempo 500": {
			"tempo=" + answering(t, status(500, "text/plain", "oops")), "undecided", "status 500: oops",
		},
		"tempo garbage": {
			"tempo=" + answering(t, status(200, "application/protobuf", "\xff\xff")),
			"undecided", "reading answer",
		},
		"tempo that hangs": {"tempo=" + answering(t, hanging), "undecided", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			r := e.run(e.script(sourceScript, c.source, answering(t, status(200, "", ""))), nil)
			require.Equal(t, 0, r.code, r.output)
			require.NotNil(t, r.report, r.output)
			assert.Equal(t, map[string]uint64{c.verdict: 1}, r.report.Totals.Verdicts)
			require.NotEmpty(t, r.report.Examples, r.output)
			assert.Contains(t, reasons(r.report), c.reason)
		})
	}
}

// reasons are those of all example attempts.
func reasons(r *report.Report) string {
	var out []string
	for _, example := range r.Examples {
		for _, a := range example.Attempts {
			out = append(out, a.Reason)
		}
	}
	return strings.Join(out, "\n")
}

// A source that cannot be is an error at start that names the option.
func TestEndToEndWrongSources(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"jaeger":           "configure.source jaeger: a URL is required",
		"jaeger=localhost": "the URL must start with http:// or https://",
		"tempo=ftp://x":    "the URL must start with http:// or https://",
		"file=":            "configure.source file needs a file name or pattern",
		"file=[":           "is malformed",
		"otlp=x":           "takes no value",
		"zipkin":           `is unknown: accepted are`,
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			r := e.run(e.script(sourceScript, source, "http://127.0.0.1:9"), nil)
			assert.Equal(t, scriptException, r.code, r.output)
			assert.Contains(t, strings.ReplaceAll(r.output, `\"`, `"`), want)
		})
	}
}

// The metrics carry the request's own tags: a threshold on one scenario or one
// name decides, and the others do not.
func TestEndToEndThresholdsByScenarioAndName(t *testing.T) {
	t.Parallel()
	const script = `
import http, { configure } from 'k6/x/continuity';
configure({ settle: '2s', html: false });
const upstream = 'http://' + __ENV.UPSTREAM;
const once = { executor: 'shared-iterations', vus: 1, iterations: 5 };
export const options = {
  scenarios: { good: { ...once, exec: 'good' }, bad: { ...once, exec: 'bad' } },
  thresholds: { '%s': ['rate>0.9'] },
};
export function good() { http.get(upstream + '/products', { tags: { name: 'list' } }); }
export function bad() { http.get(upstream + '/healthz', { tags: { name: 'health' } }); }
`
	e := newEnv(t)
	e.demo()
	for selector, code := range map[string]int{
		"trace_continuity{scenario:good}": 0, "trace_continuity{scenario:bad}": 99,
		"trace_continuity{name:list}": 0, "trace_continuity{name:health}": 99,
		"trace_continuity": 99,
	} { // /healthz is not traced, so its attempts are missing
		r := e.run(e.script(script, selector), nil)
		require.Equal(t, code, r.code, "%s\n%s", selector, r.output)
		assert.Equal(t, map[string]uint64{"continued": 5, "missing": 5}, r.report.Totals.Verdicts)
	}
}

// k6 killed with SIGKILL leaves the report of what was settled by then.
func TestEndToEndAKilledRunLeavesWhatWasSettled(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.demo()
	script := e.script(`
import http, { configure } from 'k6/x/continuity';
configure({ settle: '2s' });
export const options = { vus: 2, duration: '5m' };
export default function () { http.get('http://%s/products'); }
`, e.gateway)
	cmd := e.command(script, nil)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	var partial []string
	require.Eventually(t, func() bool {
		partial, _ = filepath.Glob(filepath.Join(e.results, "*.partial.json"))
		return len(partial) == 1
	}, 2*time.Minute, 100*time.Millisecond, "no checkpoint came")
	require.NoError(t, cmd.Process.Kill())
	var killed *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &killed, output.String())

	assert.Empty(t, e.reports(), "the run had no time to write its report")
	f, err := os.Open(partial[0])
	require.NoError(t, err)
	r, err := report.ReadJSON(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Positive(t, r.Totals.Verdicts["continued"])
	assert.Equal(t, r.Totals.Attempts, r.Totals.Verdicts["continued"])
	code, shown := e.continuity("show", partial[0])
	assert.Equal(t, 0, code, shown)
	assert.Contains(t, shown, "the run had not ended: this is what was settled by then")
	code, shown = e.continuity("compare", partial[0], partial[0])
	assert.Equal(t, 0, code, shown)
}
