package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// tee writes the spans that it is sent to a file as the Collector's file
// exporter does, and passes them on.
type tee struct {
	t    *testing.T
	to   string // base address; empty passes nothing on
	mu   *sync.Mutex
	file *os.File
}

func (e *tee) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, err := io.ReadAll(r.Body)
	body := sent
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		var unpacked *gzip.Reader
		if unpacked, err = gzip.NewReader(bytes.NewReader(sent)); err == nil {
			body, err = io.ReadAll(unpacked)
		}
	}
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if !assert.NoError(e.t, err) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.write(&request)
	if e.to == "" {
		return
	}
	resp, err := http.Post(e.to+r.URL.Path, r.Header.Get("Content-Type"), bytes.NewReader(body))
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable) // the sender tries again
		return
	}
	defer func() { _ = resp.Body.Close() }()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// write appends one line.
func (e *tee) write(request *collector.ExportTraceServiceRequest) {
	line, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(request)
	if !assert.NoError(e.t, err) {
		return
	}
	var content any
	if !assert.NoError(e.t, json.Unmarshal(line, &content)) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	assert.NoError(e.t, json.NewEncoder(e.file).Encode(withHexIDs(content)))
}

// withHexIDs makes protobuf's JSON that of OTLP, which has ids in hexadecimal.
func withHexIDs(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withHexIDs(v[i])
		}
	case map[string]any:
		for key, value := range v {
			v[key] = withHexIDs(value)
			text, isText := value.(string)
			if isText && (key == "traceId" || key == "spanId" || key == "parentSpanId") {
				id, _ := base64.StdEncoding.DecodeString(text)
				v[key] = hex.EncodeToString(id)
			}
		}
	}
	return v
}

// recorded runs the main scenario against services that lose context and spans
// and handle requests twice, through toxics that abort, strip, mangle and reset.
// The services' spans go on to an OTLP/HTTP address, and all spans into a file,
// from which the traffic is judged once more.
func (e *env) recorded(services string, variables map[string]string) (online run, offline *report.Report) {
	t := e.t
	t.Helper()
	path := filepath.Join(t.TempDir(), "spans.jsonl")
	file, err := os.Create(path)
	require.NoError(t, err)
	var mu sync.Mutex
	front := httptest.NewServer(&tee{t, services, &mu, file})
	t.Cleanup(front.Close)
	load := httptest.NewServer(&tee{t, "", &mu, file})
	t.Cleanup(load.Close)
	e.endpoint = front.URL
	e.demo("--drop-context", "0.03", "--drop-spans", "0.03", "--duplicate", "0.03")

	plan, err := filepath.Abs("testdata/breaks.json")
	require.NoError(t, err)
	settings := map[string]string{
		"PLAN": plan, "DURATION": "7s", "VUS": "10",
		"OTEL_EXPORTER_OTLP_ENDPOINT": load.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
	}
	maps.Copy(settings, variables)
	online = e.run("scripts/checkout.js", settings)
	require.Equal(t, 99, online.code, online.output)
	require.NoError(t, file.Close())

	offline = e.analyzed(path)
	for _, verdict := range []string{
		"continued", "duplicated", "restarted", "missing", "span_lost", "not_delivered", "undecided",
	} {
		assert.Positive(t, online.report.Totals.Verdicts[verdict], verdict)
	}
	return online, offline
}

// analyzed is the report on a file of spans.
func (e *env) analyzed(path string) *report.Report {
	e.t.Helper()
	out := filepath.Join(e.t.TempDir(), "offline.json")
	code, output := e.continuity("analyze", path, "--format", "json", "--output", out)
	require.Equal(e.t, 0, code, output)
	f, err := os.Open(out)
	require.NoError(e.t, err)
	offline, err := report.ReadJSON(f)
	require.NoError(e.t, err)
	require.NoError(e.t, f.Close())
	return offline
}

// The same traffic, judged while it runs and from files afterwards.
func TestEndToEndAnalyzeJudgesAsTheRunDid(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	online, offline := e.recorded("http://"+e.http, nil)
	requireSameVerdicts(t, online.report, offline)
	assert.Equal(t, online.report.Control, offline.Control)
	assert.Equal(t, online.report.Seen, offline.Seen)
	assert.Empty(t, offline.Warnings)
}

// Hops are no retries, in a run and offline: each operation is two attempts of
// two round trips here, as both of its tries are redirected.
func TestEndToEndAnalyzeCountsHopsAsTheRunDid(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	path := filepath.Join(t.TempDir(), "spans.jsonl")
	file, err := os.Create(path)
	require.NoError(t, err)
	var mu sync.Mutex
	load := httptest.NewServer(&tee{t, "", &mu, file})
	t.Cleanup(load.Close)
	var served atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/start":
			http.Redirect(w, r, "/flaky", http.StatusFound)
		case served.Add(1)%2 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(service.Close)
	const operations = 3
	online := e.run(e.script(`
		import { Client, configure } from 'k6/x/continuity';
		configure({ source: 'none' });
		export const options = { vus: 1, iterations: %d };
		const http = new Client({ retry: { attempts: 2, backoff: { initial: 1 } } });
		export default function () { http.get('%s/start'); }`, operations, service.URL),
		map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": load.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
		})
	require.Equal(t, 0, online.code, online.output)
	require.NoError(t, file.Close())
	for name, r := range map[string]*report.Report{"run": online.report, "offline": e.analyzed(path)} {
		assert.Equal(t, uint64(4*operations), r.Totals.Attempts, name)
		assert.Equal(t, uint64(operations), r.Totals.Retries, name)
		require.Len(t, r.By["attempt"], 2, name)
		for _, row := range r.By["attempt"] {
			assert.Equal(t, uint64(2*operations), row.Attempts, "%s, attempt %s", name, row.Key)
		}
	}
	retries := online.k6["trace_retries"]
	assert.InDelta(t, operations, retries.Count, 0)
}

// The same traffic, judged by what a real Jaeger has and from files. It needs
//
//	CONTINUITY_JAEGER=http://127.0.0.1:16686       its query address
//	CONTINUITY_JAEGER_OTLP=http://127.0.0.1:4318   its OTLP/HTTP address
func TestEndToEndAJaegerJudgesAsTheReceiverDoes(t *testing.T) {
	t.Parallel()
	query, otlp := os.Getenv("CONTINUITY_JAEGER"), os.Getenv("CONTINUITY_JAEGER_OTLP")
	if query == "" || otlp == "" {
		t.Skip("CONTINUITY_JAEGER and CONTINUITY_JAEGER_OTLP are not set")
	}
	e := newEnv(t)
	online, offline := e.recorded(otlp, map[string]string{
		"K6_CONTINUITY_SOURCE": "jaeger=" + query, "K6_CONTINUITY_SETTLE": "20s",
	})
	t.Logf("jaeger: %v", online.report.Totals.Verdicts)
	t.Logf("files:  %v", offline.Totals.Verdicts)
	requireSameVerdicts(t, online.report, offline)
}

// requireSameVerdicts compares two reports on the same traffic.
func requireSameVerdicts(t *testing.T, want, got *report.Report) {
	t.Helper()
	require.Equal(t, want.Totals, got.Totals)
	for _, dimension := range report.Dimensions() {
		rows := make(map[string]report.Counts)
		for _, row := range got.By[dimension] {
			rows[row.Key] = row.Counts
		}
		require.Len(t, got.By[dimension], len(want.By[dimension]), dimension)
		for _, row := range want.By[dimension] {
			require.Equal(t, row.Counts, rows[row.Key], "%s %s", dimension, row.Key)
		}
	}
	require.Equal(t, want.Edges, got.Edges)
	require.Equal(t, want.Services, got.Services)
}
