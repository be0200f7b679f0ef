package module

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestParity runs the same cases against k6/http, against our default export and
// against k6/http under instrument(), in whole runs of k6, and compares what scripts and outputs see:
// results, errors, warnings, --http-debug dumps, and the samples with their tags.
// `go test -v -run Parity` prints the table.
func TestParity(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"defaults", "strict", "network", "untrusted", "limited"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := newParityServers(t)
			plain := servers.run(t, name, "k6/http")
			require.Zero(t, servers.traced.Load(), "requests with traceparent from k6/http")
			servers.requests.Store(0)
			ours := servers.run(t, name, Name)
			require.NotZero(t, servers.traced.Load())
			assert.Equal(t, servers.requests.Load(), servers.traced.Load(), "requests with traceparent")
			instrumented := servers.run(t, name, "k6/http", "instrument()")
			assert.Equal(t, servers.requests.Load(), servers.traced.Load(), "requests with traceparent")
			require.NotEmpty(t, plain.names)
			require.Equal(t, plain.names, ours.names)
			require.Equal(t, plain.names, instrumented.names)
			for _, feature := range plain.names {
				want := plain.cases[feature]
				assert.NotContains(t, want.Out, false, "a case that says what must be true")
				t.Logf("| %s | %s | %s | %s |", feature, want.summary(),
					same(t, want, ours.cases[feature], feature),
					same(t, want, instrumented.cases[feature], feature+", instrumented"))
			}
		})
	}
}

func same(t *testing.T, want, got parityCase, feature string) string {
	t.Helper()
	if !assert.Equal(t, want, got, feature) {
		return "DIFFERENT"
	}
	return "same"
}

// parityCase is what one case gave.
type parityCase struct {
	Out     []any    // per iteration
	Logged  []string // warnings and dumps
	Samples []string // of k6's HTTP metrics, with their tags
}

func (c parityCase) summary() string {
	requests := 0
	for _, sample := range c.Samples {
		if strings.HasPrefix(sample, "http_reqs ") {
			requests++
		}
	}
	text := summarize(c.Out[0])
	if len(text) > 90 {
		text = text[:90] + "…"
	}
	return fmt.Sprintf("%s | %d", text, requests)
}

// summarize shows a result in a few words.
func summarize(out any) string {
	switch out := out.(type) {
	case []any:
		texts := make([]string, len(out))
		for i, item := range out {
			texts[i] = summarize(item)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case map[string]any:
		if message, ok := out["thrown"].(string); ok {
			return "throws " + message
		}
		if message, ok := out["error"].(string); ok && message != "" {
			return "error " + message
		}
		if status, ok := out["status"].(float64); ok {
			return fmt.Sprint(status)
		}
		texts := make([]string, 0, len(out))
		for _, key := range slices.Sorted(maps.Keys(out)) {
			texts = append(texts, key+": "+summarize(out[key]))
		}
		return "{" + strings.Join(texts, ", ") + "}"
	default:
		return fmt.Sprint(out)
	}
}

type parityRun struct {
	names []string
	cases map[string]parityCase
}

// parityServers are the servers that both sides are run against.
type parityServers struct {
	plain, tls, h2   *httptest.Server
	requests, traced atomic.Int32
}

func newParityServers(t *testing.T) *parityServers {
	t.Helper()
	s := &parityServers{}
	features := parityHandler()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if r.Header.Get("Traceparent") != "" {
			s.traced.Add(1)
		}
		features.ServeHTTP(w, r)
	})
	s.plain, s.tls = httptest.NewUnstartedServer(handler), httptest.NewUnstartedServer(handler)
	s.h2 = httptest.NewUnstartedServer(handler)
	for _, server := range []*httptest.Server{s.plain, s.tls, s.h2} {
		server.Config.ErrorLog = discardLog()
	}
	s.plain.Start()
	s.tls.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.tls.StartTLS()
	s.h2.EnableHTTP2 = true
	s.h2.StartTLS()
	t.Cleanup(func() { s.plain.Close(); s.tls.Close(); s.h2.Close() })
	return s
}

// run runs the cases of testdata/parity/NAME.js with one import, and calls of this
// module before them.
func (s *parityServers) run(t *testing.T, name, module string, calls ...string) parityRun {
	t.Helper()
	dir := t.TempDir()
	harness, err := os.ReadFile("testdata/parity/harness.js")
	require.NoError(t, err)
	cases, err := os.ReadFile("testdata/parity/" + name + ".js")
	require.NoError(t, err)
	script := strings.Replace(string(harness), "//CASES", string(cases), 1)
	script = strings.Replace(script, "IMPORT", module, 1)
	for _, call := range calls {
		script = "import * as continuity from '" + Name + "';\ncontinuity." + call + ";\n" + script
	}
	s.writeFiles(t, dir, map[string][]byte{
		"script.js": []byte(script), "upload.bin": {0, 1, 2, 255},
	})
	result := runK6(t, dir, []string{
		"SERVER=" + s.plain.URL, "TLS=" + s.tls.URL, "H2=" + s.h2.URL,
		"SERVER_ADDRESS=" + strings.TrimPrefix(s.plain.URL, "http://"),
	}, "run", "--quiet", "--summary-mode", "disabled", "--log-format", "raw", "--include-system-env-vars",
		"--out", "json=samples.json", "script.js")
	require.Zero(t, result.code, result.stderr)
	run := parityRun{cases: make(map[string]parityCase)}
	run.readLog(t, result.stderr)
	run.readSamples(t, filepath.Join(dir, "samples.json"))
	return run
}

// writeFiles also writes the servers' certificate, which clients present too.
func (s *parityServers) writeFiles(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	certificate := s.tls.TLS.Certificates[0]
	key, err := marshalKey(certificate.PrivateKey)
	require.NoError(t, err)
	files["client.pem"] = pem.EncodeToMemory(
		&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	files["client-key.pem"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
}

// readLog reads the results; the lines before one belong to its case.
func (r *parityRun) readLog(t *testing.T, log string) {
	t.Helper()
	var logged []string
	lines := bufio.NewScanner(strings.NewReader(log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, isResult := strings.CutPrefix(lines.Text(), "RESULT ")
		if !isResult {
			logged = append(logged, steady(lines.Text()))
			continue
		}
		var result struct {
			Name string
			Out  any
		}
		require.NoError(t, json.Unmarshal([]byte(text), &result), text)
		c := r.cases[result.Name]
		if c.Out == nil {
			r.names = append(r.names, result.Name)
		}
		slices.Sort(logged) // entries of a batch log in any order
		c.Out, c.Logged = append(c.Out, result.Out), append(c.Logged, slices.Compact(logged)...)
		r.cases[result.Name], logged = c, nil
	}
	require.NoError(t, lines.Err())
}

// steady takes out of a logged line what differs from run to run, and what
// we add on the wire, as the server echoes it.
func steady(line string) string {
	for _, r := range []struct{ pattern, with string }{
		{` continuity/[0-9a-f-]+`, ""},
		{`.*"Traceparent": .*`, ""},
		{`.*"00-[0-9a-f]{32}-[0-9a-f]{16}-01".*`, ""},
		{`^(Date|Content-Length): .*`, "$1"},
		{`^\s*[\]},]*\s*$`, ""},
		{`127\.0\.0\.1:\d+->`, ""},
		{`"?[0-9a-f]+"?$`, "…"},
	} {
		line = regexp.MustCompile(r.pattern).ReplaceAllString(line, r.with)
	}
	return line
}

// readSamples reads k6's JSON output.
func (r *parityRun) readSamples(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range bytes.Lines(content) {
		var point struct {
			Type, Metric string
			Data         struct {
				Value    float64
				Tags     map[string]string
				Metadata map[string]string
			}
		}
		require.NoError(t, json.Unmarshal(line, &point))
		c, known := r.cases[point.Data.Tags["case"]]
		if point.Type != "Point" || !known || !strings.HasPrefix(point.Metric, "http_") {
			continue
		}
		value := "measured"
		if point.Metric == "http_reqs" || point.Metric == "http_req_failed" {
			value = fmt.Sprint(point.Data.Value)
		}
		tags, err := json.Marshal([]any{point.Data.Tags, point.Data.Metadata})
		require.NoError(t, err)
		c.Samples = append(c.Samples,
			fmt.Sprintf("%s %s %s", point.Metric, value, steady(string(tags))))
		r.cases[point.Data.Tags["case"]] = c
	}
	for name, c := range r.cases {
		slices.Sort(c.Samples) // a batch has no order
		r.cases[name] = c
	}
}

// parityHandler is go-httpbin and what it lacks.
func parityHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", httpbin.New().Handler())
	mux.HandleFunc("/ntlm", ntlm)
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	})
	mux.HandleFunc("/length", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%d %s", n, r.Header.Get("Content-Encoding"))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", r.Header.Get("Content-Encoding"))
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/client-certificate", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%d certificates", len(r.TLS.PeerCertificates))
	})
	mux.HandleFunc("/truncated", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	})
	mux.HandleFunc("/dropped", func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	})
	return mux
}

// ntlm asks for NTLM and accepts any answer to its challenge.
func ntlm(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	token, _ := base64.StdEncoding.DecodeString(
		strings.TrimPrefix(r.Header.Get("Authorization"), "NTLM "))
	switch {
	case len(token) < 12 || !bytes.HasPrefix(token, []byte("NTLMSSP\x00")):
		w.Header().Set("WWW-Authenticate", "NTLM")
	case token[8] == 1:
		w.Header().Set("WWW-Authenticate", "NTLM "+base64.StdEncoding.EncodeToString(ntlmChallenge()))
	case token[8] == 3:
		_, _ = fmt.Fprintf(w, "welcome, %q, %q", body, r.Header.Get(entryHeader))
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}
