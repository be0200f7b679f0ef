package traced

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBaggageOfClientAndScript(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	config := ClientConfig{Baggage: map[string]string{"tier": "gold & co", "run": "7"}}
	r.get(config, server.URL)
	assert.Equal(t, []string{"run=7,tier=gold%20&%20co"}, server.seen(0)["Baggage"])

	req := request(t, "GET", server.URL)
	req.Header["Baggage"] = []string{"run=mine;p=1", "other=%20"}
	require.NoError(t, r.send(config, req))
	assert.Equal(t, []string{"run=mine;p=1,other=%20,tier=gold%20&%20co"}, server.seen(1)["Baggage"])
	assert.Equal(t, []string{"run=mine;p=1", "other=%20"}, req.Header["Baggage"])

	for range 2 {
		req = request(t, "GET", server.URL)
		req.Header["Baggage"] = []string{"a=" + strings.Repeat("v", 8190)}
		require.NoError(t, r.send(config, req))
	}
	assert.Equal(t, req.Header["Baggage"], server.seen(3)["Baggage"])
	require.Len(t, r.warnings, 1, "told once")
	assert.Contains(t, r.warnings[0], "no room for 2 members")

	for _, bad := range []map[string]string{{"a b": "1"}, {"k": strings.Repeat("v", 9000)}} {
		require.ErrorContains(t, ClientConfig{Baggage: bad}.Validate(), "baggage")
	}
}

func TestExcludedURLHasNoHeaderNoSpanNoAttempt(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	config := ClientConfig{ExcludedURLs: []string{`/health$`, `^https://`}}
	r.get(config, server.URL+"/health")
	assert.NotContains(t, server.seen(0), "Traceparent")
	assert.Equal(t, "Go-http-client/1.1", server.seen(0).Get("User-Agent"))
	assert.Empty(t, r.sink.events)
	assert.Zero(t, r.provider.Stats().Started)
	r.get(config, server.URL+"/health/more")
	assert.Contains(t, server.seen(1), "Traceparent")
	require.ErrorContains(t, ClientConfig{ExcludedURLs: []string{"("}}.Validate(),
		`excludedURLs must be regular expressions, got "("`)
}

func TestExcludedURLCountsForRedirectHopsToo(t *testing.T) {
	t.Parallel()
	r, target := newRig(t, nil), newEcho(t)
	source := serve(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, target.URL+"/login", http.StatusFound)
	})
	r.get(ClientConfig{ExcludedURLs: []string{"/login"}}, source.URL)
	assert.NotContains(t, target.seen(0), "Traceparent")
	assert.Equal(t, uint16(302), r.attempt().Status)
	r.one()
}

func TestPropagatorsNoneLeavesTheScriptsHeaders(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	req := request(t, "GET", server.URL)
	req.Header.Set("Traceparent", "anything")
	req.Header.Set("Baggage", "a=1")
	require.NoError(t, r.send(ClientConfig{Propagators: []string{"none"}, Correlate: true}, req))
	assert.Equal(t, "anything", server.seen(0).Get("Traceparent"))
	assert.Equal(t, "a=1", server.seen(0).Get("Baggage"))
	assert.NotContains(t, server.seen(0).Get("User-Agent"), "continuity/")
}

func TestCorrelationSuffix(t *testing.T) {
	t.Parallel()
	token := func(r *rig) string {
		a := r.attempt()
		return "continuity/" + a.TraceID.String() + "-" + a.SpanID.String()
	}
	for _, tt := range []struct {
		name  string
		agent []string
		off   bool
		want  func(token string) string
	}{
		{"k6's own agent", []string{"k6/test"}, false, func(s string) string { return "k6/test " + s }},
		{"no agent", nil, false, func(s string) string { return s }},
		{"the script's agent", []string{"shop/1"}, false, func(string) string { return "shop/1" }},
		{"the script wants none", []string{""}, false, func(string) string { return "" }},
		{"correlate is off", []string{"k6/test"}, true, func(string) string { return "k6/test" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, server := newRig(t, nil), newEcho(t)
			req := request(t, "GET", server.URL)
			if tt.agent != nil {
				req.Header["User-Agent"] = tt.agent
			}
			require.NoError(t, r.send(ClientConfig{Correlate: !tt.off}, req))
			assert.Equal(t, tt.want(token(r)), server.seen(0).Get("User-Agent"))
		})
	}
}

func TestCallersRequestIsNotChanged(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	req := request(t, "GET", server.URL)
	req.Header["X-Own"] = []string{"a", "b"}
	req.Header["Traceparent"] = []string{"mine"}
	before := req.Header.Clone()
	ctx := req.Context()
	op := r.client(ClientConfig{Correlate: true, Baggage: map[string]string{"k": "v"}}).
		Start(ctx, operation("GET", server.URL))
	resp, err := op.Transport(r.base, 1, 0).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	op.End(nil)
	assert.Equal(t, before, req.Header)
	assert.Equal(t, ctx, req.Context())
	assert.Same(t, req, resp.Request)
	assert.Equal(t, []string{"a", "b"}, server.seen(0)["X-Own"])
}
