package toxics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	loadConnections = 64
	loadRequests    = 8 // per connection, at the least
)

// loadCase is a toxic under load, with what may happen to a request that it hits.
type loadCase struct {
	kind, first, second string // attributes before and after the update
	status              int    // of responses that are marked; 0: as the service gave it
	breaks              bool   // connections
	corrupts            bool   // bodies
}

func loadCases() []loadCase {
	return []loadCase{
		{kind: "http_status", first: `{"status":503,"every":3}`, second: `{"status":503,"probability":0.5}`, status: 503},
		{kind: "http_status", first: `{"status":503,"mode":"replace","every":2}`, second: `{"status":503,"mode":"replace","every":5}`, status: 503},
		{kind: "http_latency", first: `{"latency":1,"every":2}`, second: `{"latency":2,"jitter":1,"on":"request"}`},
		{kind: "http_header", first: `{"remove":["traceparent"],"every":2}`, second: `{"on":"response","set":{"X-A":"b"}}`},
		{kind: "http_reset", first: `{"every":10}`, second: `{"every":7,"when":"after"}`, breaks: true},
		{kind: "http_reset", first: `{"every":10,"when":"body","bytes":3}`, second: `{"every":9,"when":"body"}`, breaks: true},
		{kind: "http_body", first: `{"every":10,"bytes":2}`, second: `{"every":5,"mode":"corrupt"}`, breaks: true, corrupts: true},
		{kind: "http_script", first: `{"timeout":10000,"script":"function onRequest(q, s) { s.n = (s.n || 0) + 1; if (s.n % 3 === 0) return {status: 503} }"}`, second: `{"timeout":10000,"script":"function onResponse(r, q, s) { if (Math.random() < 0.5) return {status: 503, delay: 1} }"}`, status: 503},
	}
}

// TestContractUnderLoad adds, updates and removes every toxic while 64
// connections are busy, with toxiproxy's own latency, slicer and bandwidth put in
// and taken out around them. Every response is the right one for its request or is
// marked; what is marked is what was counted.
func TestContractUnderLoad(t *testing.T) {
	t.Parallel()
	for _, c := range loadCases() {
		t.Run(c.kind+" "+c.first, func(t *testing.T) {
			t.Parallel()
			r := serve(t, echo)
			var marked, broken atomic.Uint64
			within(t, func() {
				stop := make(chan struct{})
				var all sync.WaitGroup
				for i := range loadConnections {
					all.Go(func() { c.drive(t, r, i, stop, &marked, &broken) })
				}
				for round := range 2 {
					c.disturb(t, r, round)
				}
				close(stop)
				all.Wait()
			})
			total := r.hub.Totals()[0]
			assert.Equal(t, total.Injected+total.Unreached, marked.Load()+broken.Load())
			assert.Equal(t, total.Marked, marked.Load(), "marked responses")
			assert.Equal(t, total.Unmarked, broken.Load(), "requests without a response")
			assert.NotZero(t, total.Injected)
			assert.GreaterOrEqual(t, total.Selected, total.Injected)
			assert.Zero(t, total.PassedThrough+total.Unpaired+total.Errors)
		})
	}
}

// echo answers with the request's body and its path.
func echo(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	w.Header().Set("X-Path", q.URL.Path)
	if len(body)%2 == 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	_, _ = w.Write(body)
}

// drive is one client on one connection.
func (c *loadCase) drive(
	t *testing.T, r *rig, i int, stop <-chan struct{}, marked, broken *atomic.Uint64,
) {
	t.Helper()
	// A transport re-sends on a connection that dies when it is reused; one request
	// has to stay one here.
	http := client(t, 1)
	http.Timeout = 0 // one that ran out would look like a connection that the toxic broke
	for n := 0; ; n++ {
		select {
		case <-stop:
			if n >= loadRequests {
				return
			}
		default:
		}
		path := fmt.Sprintf("/%d/%d", i, n)
		body := strings.Repeat(path, 1+n%50)
		ended, hit, err := c.once(t, http, r.url(path), path, body)
		if err != nil {
			assert.NoError(t, err)
			return
		}
		if ended && !hit {
			broken.Add(1)
		}
		if hit {
			marked.Add(1)
		}
	}
}

// once sends one request and checks what came. A POST is never sent again.
func (c *loadCase) once(
	t *testing.T, client *http.Client, url, path, body string,
) (ended, hit bool, err error) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Traceparent", fmt.Sprintf("00-%032x-%016x-01", len(body), 7))
	response, err := client.Do(request)
	if err != nil {
		return c.breaks, false, c.unlessBroken(err)
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	marks := response.Header.Values("X-Toxic")
	switch {
	case len(marks) > 1:
		return false, false, fmt.Errorf("marked more than once: %q", marks)
	case err != nil && len(marks) != 1:
		return false, false, fmt.Errorf("%d marks: %w", len(marks), err)
	case err != nil && c.unlessBroken(err) != nil:
		return false, false, err
	case len(marks) == 0:
		if response.Header.Get("X-Path") != path || string(got) != body {
			return false, false, fmt.Errorf("%s got another's response %s", path, response.Header)
		}
	case c.status != 0:
		if response.StatusCode != c.status {
			return false, true, fmt.Errorf("marked %q with status %d", marks, response.StatusCode)
		}
	case err == nil && !c.corrupts && string(got) != body:
		return false, true, fmt.Errorf("%s got another's body", path)
	}
	return err != nil, len(marks) == 1, nil
}

// unlessBroken is nil for an error that a connection which the toxic broke gives.
// Time that ran out is no such thing, and must not be taken for one.
func (c *loadCase) unlessBroken(err error) error {
	if c.breaks && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF)) {
		return nil
	}
	return err
}

// disturb puts the toxic in, changes it and takes it out, with toxiproxy's own
// around it.
func (c *loadCase) disturb(t *testing.T, r *rig, round int) {
	t.Helper()
	own := []string{
		`{"name":"own-latency","type":"latency","stream":"%s","attributes":{"latency":1}}`,
		`{"name":"own-slicer","type":"slicer","stream":"%s","attributes":{"average_size":300,"size_variation":100,"delay":1}}`,
		`{"name":"own-bandwidth","type":"bandwidth","stream":"%s","attributes":{"rate":1000000}}`,
	}
	direction := []string{"downstream", "upstream"}[round%2]
	add := func(text string) {
		_, err := r.proxy.Toxics.AddToxicJson(bytes.NewReader(fmt.Appendf(nil, text, direction)))
		require.NoError(t, err)
	}
	seen := func() { r.until(t, 100) }
	add(own[0])
	require.NoError(t, r.hub.Add("ours", c.kind, json.RawMessage(c.first)))
	seen()
	add(own[1])
	add(own[2])
	seen()
	require.NoError(t, r.hub.Update("ours", json.RawMessage(c.second)))
	seen()
	if !c.breaks {
		// A write that fails while toxiproxy takes one of its own toxics out blocks
		// it for ever: https://github.com/Shopify/toxiproxy, link.go, RemoveToxic.
		for _, name := range []string{"own-latency", "own-slicer", "own-bandwidth"} {
			require.NoError(t, r.proxy.Toxics.RemoveToxic(context.Background(), name))
		}
		seen()
	}
	_, err := r.hub.Remove("ours")
	require.NoError(t, err)
	if c.breaks {
		for _, name := range []string{"own-latency", "own-slicer", "own-bandwidth"} {
			require.NoError(t, r.proxy.Toxics.RemoveToxic(context.Background(), name))
		}
	}
}

// until waits for n more requests.
func (r *rig) until(t *testing.T, n uint64) {
	t.Helper()
	seen := func() uint64 { return r.hub.Totals()[0].Seen }
	from := seen()
	require.Eventually(t, func() bool { return seen() >= from+n }, hanging, time.Millisecond)
}

// TestClientsThatVanish leaves nothing behind, whatever a connection is at.
func TestClientsThatVanish(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	r.add(t, "x", "http_header", `{"on":"response","set":{"X-A":"b"}}`)
	r.add(t, "y", "http_latency", `{"latency":5}`)
	for i := range loadConnections {
		conn := r.dial(t)
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		if i%3 > 0 {
			_, err = io.ReadFull(conn, make([]byte, 1+i*100))
			require.NoError(t, err)
		}
		if i%2 == 0 {
			require.NoError(t, conn.SetLinger(0))
		}
		require.NoError(t, conn.Close())
	}
	// Those that were reset at once may have gone before they were read.
	assert.GreaterOrEqual(t, r.counts().Seen, uint64(loadConnections*2/3-1))
}
