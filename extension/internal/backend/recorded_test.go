package backend_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// The attempt that the recorded answers are about, and its User-Agent.
const (
	recordedTrace = "8f697799f139dc8703b87b31f32580c5"
	recordedSpan  = "af14c994ccbd8062"
	recordedAgent = "Grafana k6/2.2.0"
	recordedNew   = "0959ea4d253fd3caa54179517bf223fb" // the trace that the service began
)

// TestARecordedJaegerTellsThatATraceWasRestarted replays the answers of Jaeger
// v1.76 (v2.13), in testdata/jaeger, to an attempt whose service lost the
// context: they were recorded from services with OpenTelemetry's SDK.
func TestARecordedJaegerTellsThatATraceWasRestarted(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, status int, name string) {
		b, err := os.ReadFile(filepath.Join("testdata", "jaeger", name))
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = w.Write(b)
	}
	agent := recordedAgent + " continuity/" + recordedTrace + "-" + recordedSpan
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch r.URL.Path {
		case "/api/v3/services":
			answer(w, http.StatusOK, "services.json")
		case "/api/traces":
			if q.Get("service") == "gateway" &&
				q.Get("tags") == `{"user_agent.original":"`+agent+`"}` {
				answer(w, http.StatusOK, "search.json")
				return
			}
			answer(w, http.StatusOK, "search-empty.json")
		case "/api/v3/traces/" + recordedNew:
			answer(w, http.StatusOK, "restarted.json")
		default:
			answer(w, http.StatusNotFound, "absent.json")
		}
	})
	var id tracecontext.TraceID
	noError(t, id.UnmarshalText([]byte(recordedTrace)))
	r := newRun(t, "jaeger="+base.String(), 0)
	r.agent = recordedAgent
	r.send(id, func(a *span.Attempt) {
		noError(t, a.SpanID.UnmarshalText([]byte(recordedSpan)))
	})
	r.judge()
	got := r.verdicts[id]
	equal(t, "restarted", got.Verdict.String())
	equal(t, false, got.Inferred)
	equal(t, "gateway", got.Server.Descriptor.Service)
	equal(t, recordedNew, got.Server.TraceID.String())

	j := backend.NewJaeger(backend.QueryConfig{URL: base})
	t.Cleanup(j.CloseIdle)
	noError(t, j.Check(t.Context()))
}
