package toxics_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestResetIsOneOnTheWire sends a request, on a connection of its own and on one
// that was used before the toxic came, and reads until the connection ends: by
// ECONNRESET and not by EOF.
func TestResetIsOneOnTheWire(t *testing.T) {
	t.Parallel()
	const body = "0123456789"
	for _, c := range []struct {
		name, attributes, read string
		arrives                int64 // requests at the service
	}{
		{"before the request", `{}`, "", 0},
		{"after the request", `{"when":"after"}`, "", 1},
		{"in the body", `{"when":"body","bytes":4}`, "0123", 1},
	} {
		for _, used := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, connection used before: %v", c.name, used), func(t *testing.T) {
				t.Parallel()
				var arrived atomic.Int64
				r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					arrived.Add(1)
					_, _ = io.WriteString(w, body)
				})
				conn := r.dial(t)
				reader := bufio.NewReader(conn)
				send := func() (string, error) {
					_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
					require.NoError(t, err)
					response, err := http.ReadResponse(reader, nil)
					if err != nil {
						return "", err
					}
					defer func() { _ = response.Body.Close() }()
					text, err := io.ReadAll(response.Body)
					return string(text), err
				}
				if used {
					text, err := send()
					require.NoError(t, err)
					require.Equal(t, body, text)
				}
				before := arrived.Load()
				r.add(t, "cut", "http_reset", c.attributes)
				text, err := send()
				require.ErrorIs(t, err, syscall.ECONNRESET)
				assert.Equal(t, c.read, text)
				// The client may learn of its reset before the service is called.
				require.Eventually(t, func() bool { return arrived.Load()-before == c.arrives },
					patience, time.Millisecond)
				assert.Equal(t, uint64(1), r.counts().Injected)
			})
		}
	}
}

// TestResetSparesOthers resets every second connection only.
func TestResetSparesOthers(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	r.add(t, "cut", "http_reset", `{"match":{"path":"/cut"}}`)
	for range 10 {
		conn, other := r.dial(t), r.dial(t)
		_, err := io.WriteString(conn, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = io.WriteString(other, "GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		text, err := io.ReadAll(other) // to its end, which is none by reset
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(text), "ok"))
	}
}

func TestTruncatedBodyEndsWithoutReset(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789") })
	r.add(t, "cut", "http_body", `{"bytes":3}`)
	conn := r.dial(t)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(text), "\r\n\r\n012"), "%q", text)
}

// TestEveryBreakIsCounted sends GETs, which Go's transport sends again when a used
// connection breaks before its response, over many connections: the toxic counts
// what was written, again or not, and every break, neither more nor less.
func TestEveryBreakIsCounted(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "after", "body"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "0123456789")
			})
			r.add(t, "cut", "http_reset", fmt.Sprintf(
				`{"when":%q,"bytes":4,"probability":0.2,"seed":5}`, when))
			const workers, requests = 16, 40
			c := client(t, workers)
			c.Timeout = 0 // none may be taken for a break
			var written, whole, failed atomic.Uint64
			var all sync.WaitGroup
			for range workers {
				all.Go(func() {
					for range requests {
						if fetch(t, c, r.url("/"), &written) {
							whole.Add(1)
						} else {
							failed.Add(1)
						}
					}
				})
			}
			within(t, all.Wait)
			got := r.counts()
			assert.Equal(t, uint64(workers*requests), whole.Load()+failed.Load())
			assert.Equal(t, written.Load(), got.Seen, "requests on the wire")
			assert.Equal(t, written.Load()-whole.Load(), got.Injected, "breaks")
			assert.Equal(t, got.Selected, got.Injected)
			assert.NotZero(t, got.Injected)
		})
	}
}

// fetch sends a GET and reports whether its response came whole.
func fetch(t *testing.T, c *http.Client, url string, written *atomic.Uint64) bool {
	t.Helper()
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			written.Add(1)
		}
	}}
	request, err := http.NewRequestWithContext(
		httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return false
	}
	response, err := c.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return err == nil && string(text) == "0123456789"
}

// TestBodiesThatDoNotReachTheCut are neither marked nor counted.
func TestBodiesThatDoNotReachTheCut(t *testing.T) {
	t.Parallel()
	const body = "0123456789"
	for _, kind := range []string{"http_reset", "http_body"} {
		for bytes, reached := range map[int]bool{9: true, 10: false, 11: false} {
			r := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
			attributes := fmt.Sprintf(`{"bytes":%d}`, bytes)
			if kind == "http_reset" {
				attributes = fmt.Sprintf(`{"when":"body","bytes":%d}`, bytes)
			}
			r.add(t, "cut", kind, attributes)
			response, err := client(t, 1).Get(r.url("/"))
			require.NoError(t, err)
			text, err := io.ReadAll(response.Body)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, reached, err != nil, "%s after %d", kind, bytes)
			assert.Equal(t, reached, response.Header.Get("X-Toxic") != "", "%s after %d", kind, bytes)
			assert.Equal(t, reached, r.counts().Injected == 1, "%s after %d", kind, bytes)
			assert.Len(t, text, min(bytes, len(body)))
		}
	}
}
