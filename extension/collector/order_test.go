package collector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// TestTheOrderOfAttemptsDoesNotMoveWhatTheJoinGaveThem: the attempts of a trace are
// put in order after the join has told which of them a root fits, and which service
// the first one goes to.
func TestTheOrderOfAttemptsDoesNotMoveWhatTheJoinGaveThem(t *testing.T) {
	t.Parallel()
	const gateway, inventory = "gateway", "inventory"
	now := time.Unix(1_800_000_000, 0)
	served := func(service, path string, trace, id, parent byte) spanData {
		return spanData{
			service: service, scope: "otelhttp", name: path, kind: ptrace.SpanKindServer,
			trace: pcommon.TraceID{trace}, id: pcommon.SpanID{id}, parent: pcommon.SpanID{parent},
			start: now.UnixNano(), end: now.UnixNano() + 100,
			attributes: map[string]any{"http.request.method": "GET", "http.route": path},
		}
	}
	sent := func(path string, trace, id, operation byte) []spanData {
		client := served("k6", path, trace, id, operation)
		client.scope, client.kind = clientspan.Scope, ptrace.SpanKindClient
		client.attributes = map[string]any{
			"http.request.method": "GET", clientspan.Name: path, "http.response.status_code": 200,
		}
		around := served("k6", path, trace, operation, 0)
		around.scope, around.kind = clientspan.Scope, ptrace.SpanKindInternal
		return []spanData{client, around}
	}
	claims := func(s spanData, trace, attempt byte) spanData {
		s.attributes["user_agent.original"] = "k6 " + tracecontext.Correlation{
			TraceID: tracecontext.TraceID{trace}, SpanID: tracecontext.SpanID{attempt},
		}.Append("")
		return s
	}
	for name, c := range map[string]struct {
		spans []spanData
		want  verdict.Verdict // of attempt 2
	}{
		"a root": {
			[]spanData{served(gateway, "/a", 9, 60, 0)}, verdict.Restarted,
		},
		"a span below a proxy's lost one": {
			[]spanData{claims(served(inventory, "/stock", 1, 60, 99), 1, 2)}, verdict.SpanLost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShard(t.TempDir(), "one", now)
			// The span around the first request sorts behind that around the second.
			spans := append(sent("/a", 1, 2, 200), sent("/b", 1, 3, 100)...)
			spans = append(spans, served(inventory, "/b", 1, 50, 3))
			known := append(sent("/a", 2, 4, 201), served(gateway, "/a", 2, 51, 4))
			at := now
			got := make(map[byte]verdict.Verdict)
			for _, batched := range [][]spanData{known, c.spans, spans} {
				require.NoError(t, s.intake.take(batch(batched...), at))
				seconds := 15
				if &batched[0] == &c.spans[0] {
					seconds = 1
				}
				for range seconds {
					at = at.Add(time.Second)
					for _, settled := range s.intake.advance(at) {
						for _, r := range s.parts.add(settled, at).Results {
							got[r.Attempt.SpanID[0]] = r.Verdict
						}
					}
				}
			}
			assert.Equal(t, map[byte]verdict.Verdict{
				4: verdict.Continued, 3: verdict.Continued, 2: c.want,
			}, got)
		})
	}
}
