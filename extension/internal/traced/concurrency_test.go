package traced

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// TestParentIDsNeverMix runs 64 operations at once, each with round trips at
// once as a batch has them, against a server that tells each request what
// traceparent it came with.
func TestParentIDsNeverMix(t *testing.T) {
	t.Parallel()
	const operations, trips = 64, 10
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Header.Get("Traceparent")+" "+req.Header.Get("X-Operation"))
	})
	r := newRig(t, nil)
	client := r.client(ClientConfig{Correlate: true})
	var mu sync.Mutex
	owner := make(map[string]string) // traceparent to the operation that sent it
	traces := make(map[string]tracecontext.TraceID)
	var all sync.WaitGroup
	for i := range operations {
		all.Go(func() {
			name := fmt.Sprint("operation ", i)
			op := client.Start(t.Context(), operation("GET", server.URL))
			var batch sync.WaitGroup
			for n := range trips {
				batch.Go(func() {
					req := request(t, "GET", server.URL)
					req.Header.Set("X-Operation", name)
					resp, err := op.Transport(r.base, n+1, 0).RoundTrip(req)
					if err != nil {
						t.Error(err)
						return
					}
					body, err := io.ReadAll(resp.Body)
					assert.NoError(t, err)
					assert.NoError(t, resp.Body.Close())
					traceparent, from, _ := strings.Cut(string(body), " ")
					assert.Equal(t, name, from)
					mu.Lock()
					defer mu.Unlock()
					assert.NotContains(t, owner, traceparent, "a span id is used once")
					owner[traceparent] = name
				})
			}
			batch.Wait()
			op.End(nil)
			mu.Lock()
			defer mu.Unlock()
			traces[name] = op.TraceID()
		})
	}
	all.Wait()
	attempts := r.sink.all()
	require.Len(t, attempts, operations*trips)
	resends := make(map[tracecontext.TraceID]map[uint16]bool)
	for _, a := range attempts {
		name, ok := owner["00-"+a.TraceID.String()+"-"+a.SpanID.String()+"-01"]
		assert.True(t, ok, "the attempt was seen by the server")
		assert.Equal(t, traces[name], a.TraceID)
		if resends[a.TraceID] == nil {
			resends[a.TraceID] = make(map[uint16]bool)
		}
		resends[a.TraceID][a.Resend] = true
	}
	for _, numbers := range resends {
		assert.Len(t, numbers, trips, "0, 1, 2, … once each")
	}
	roots := make(map[trace.TraceID]trace.SpanID)
	for _, s := range r.spans(trace.SpanKindInternal) {
		roots[s.SpanContext.TraceID()] = s.SpanContext.SpanID()
	}
	assert.Len(t, roots, operations)
	for _, s := range r.spans(trace.SpanKindClient) {
		assert.Equal(t, roots[s.SpanContext.TraceID()], s.Parent.SpanID())
	}
	l := r.provider.Stats()
	assert.Equal(t, uint64(operations*(trips+1)), l.Started)
	assert.Equal(t, l.Started, l.Exported)
}

func TestAttemptsComeBetweenOpenAndClose(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	r := newRig(t, nil)
	client := r.client(ClientConfig{})
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			op := client.Start(t.Context(), operation("GET", server.URL))
			var readers sync.WaitGroup
			for range 4 {
				resp, err := op.Transport(r.base, 1, 0).RoundTrip(request(t, "GET", server.URL))
				if err != nil {
					t.Error(err)
					return
				}
				readers.Go(func() { // reads while the operation ends
					_, _ = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				})
			}
			op.End(nil)
			readers.Wait()
		})
	}
	all.Wait()
	state := make(map[string]string)
	attempts := make(map[string]int)
	for _, event := range r.sink.events {
		what, id, _ := strings.Cut(event, " ")
		switch what {
		case "open":
			assert.Empty(t, state[id])
			state[id] = "open"
		case "attempt":
			assert.Equal(t, "open", state[id], "no attempt follows the end of its operation")
			attempts[id]++
		case "close":
			assert.Equal(t, "open", state[id])
			state[id] = "closed"
		}
	}
	assert.Len(t, state, 32)
	for id := range state {
		assert.Equal(t, "closed", state[id])
		assert.Equal(t, 4, attempts[id])
	}
}
