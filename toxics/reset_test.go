package toxics_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
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
