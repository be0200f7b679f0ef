package traced

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kinds are the events of a sink without the ids.
func (s *sinkLog) kinds() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, len(s.events))
	for i, event := range s.events {
		out[i], _, _ = strings.Cut(event, " ")
	}
	return strings.Join(out, " ")
}

func TestTheLastAttemptGoesToTheSinkWithTheEnd(t *testing.T) {
	t.Parallel()
	echo := newEcho(t)
	redirect := serve(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, echo.URL, http.StatusFound)
	})
	for _, tt := range []struct {
		name   string
		deaf   bool
		work   func(*testing.T, *rig, *Operation)
		before string // the end
		after  string
	}{
		{
			"an announced trace is open from the start", false, once(echo.URL),
			"open", "open attempt close",
		},
		{
			"nobody has to know of a trace of one attempt", true, once(echo.URL),
			"", "attempt",
		},
		{
			"nothing is told of an operation that sent nothing", true,
			func(*testing.T, *rig, *Operation) {}, "", "",
		},
		{
			"a second attempt hands over the first", false, once(redirect.URL),
			"open attempt", "open attempt attempt close",
		},
		{
			"a second attempt opens the trace", true, once(redirect.URL),
			"open attempt", "open attempt attempt close",
		},
		{"a wait hands over what was kept", true, func(t *testing.T, r *rig, op *Operation) {
			t.Helper()
			once(echo.URL)(t, r, op)
			op.HandOver()
			op.HandOver()
		}, "open attempt", "open attempt close"},
		{
			"a body that nobody read ends with the operation", false,
			func(t *testing.T, r *rig, op *Operation) {
				t.Helper()
				req := request(t, "GET", echo.URL)
				_, err := op.Transport(r.base, 1, 0).RoundTrip(req) //nolint:bodyclose // that is the point
				require.NoError(t, err)
			}, "open", "open attempt close",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.sink.deaf = tt.deaf
			config := operation("GET", echo.URL)
			config.EndsAtOnce = true
			op := r.client(ClientConfig{}).Start(t.Context(), config)
			tt.work(t, r, op)
			assert.Equal(t, tt.before, r.sink.kinds())
			op.End(nil)
			op.End(nil)
			assert.Equal(t, tt.after, r.sink.kinds())
		})
	}
}

// once sends one request through an operation, following redirects.
func once(url string) func(*testing.T, *rig, *Operation) {
	return func(t *testing.T, r *rig, op *Operation) {
		t.Helper()
		require.NoError(t, r.through(op, request(t, "GET", url)))
	}
}

func TestARoundTripBehindTheEndIsToldOf(t *testing.T) {
	t.Parallel()
	echo := newEcho(t)
	r := newRig(t, nil)
	config := operation("GET", echo.URL)
	config.EndsAtOnce = true
	op := r.client(ClientConfig{}).Start(t.Context(), config)
	op.End(nil)
	require.NoError(t, r.through(op, request(t, "GET", echo.URL)))
	assert.Equal(t, "open close attempt", r.sink.kinds())
}

// TestARequestMayOutliveItsApplicationSpan: nobody has to await it, so that it
// opens and closes the trace by itself. A service may be slower than any linger.
func TestARequestMayOutliveItsApplicationSpan(t *testing.T) {
	t.Parallel()
	echo := newEcho(t)
	for _, tt := range []struct {
		name             string
		deaf, endsAtOnce bool
		end, want        string
	}{
		{"async", false, false, "open open close", "open open close attempt close"},
		{"sync", false, true, "open open close", "open open close attempt close"},
		{"async, nobody listens", true, false, "open open close", "open open close attempt close"},
		{"sync, nobody listens", true, true, "open close", "open close attempt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.sink.deaf = tt.deaf
			ctx, app := r.provider.StartSpan(t.Context(), "checkout", nil, r.sink)
			config := operation("GET", echo.URL)
			config.EndsAtOnce = tt.endsAtOnce
			op := r.client(ClientConfig{}).Start(ctx, config)
			app.End(nil)
			assert.Equal(t, tt.end, r.sink.kinds())
			require.NoError(t, r.through(op, request(t, "GET", echo.URL)))
			op.End(nil)
			assert.Equal(t, tt.want, r.sink.kinds())
			assert.Equal(t, app.TraceID(), r.sink.all()[0].TraceID)
		})
	}
}

func TestLastTellsTheIDsThatWereSent(t *testing.T) {
	t.Parallel()
	echo := newEcho(t)
	for _, propagators := range [][]string{{"tracecontext"}, {"b3"}, {"none"}} {
		r := newRig(t, nil)
		op := r.client(ClientConfig{Propagators: propagators}).Start(
			t.Context(), operation("GET", echo.URL))
		_, _, trips := op.Last()
		assert.Zero(t, trips)
		for n := range 2 {
			resp, err := op.Transport(r.base, n+1, 0).RoundTrip(request(t, "GET", echo.URL))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		traceID, spanID, trips := op.Last()
		last := r.sink.all()[1]
		assert.Equal(t, last.TraceID.String(), traceID)
		assert.Equal(t, last.SpanID.String(), spanID)
		assert.Equal(t, 2, trips)
	}
}
