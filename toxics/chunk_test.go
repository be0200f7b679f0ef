package toxics_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLongOutputLosesNothing: toxiproxy loses bytes of chunks above 64 KiB, which
// come of a long head, of a long answer and of what was held back.
func TestLongOutputLosesNothing(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&body, "%d,", i)
	}
	for _, c := range []struct{ name, kind, attributes, head string }{
		{"a long head", "http_header", `{"on":"response","set":{"X-A":"b"}}`, strings.Repeat("h", 90_000)},
		{"held back", "http_body", `{"bytes":1000000000}`, "h"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := accept(t, func(conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-H: "+c.head+"\r\n\r\n"+body.String())
			})
			r.add(t, "x", c.kind, c.attributes)
			response, got := get(t, client(t, 1), r.url("/"))
			assert.Len(t, response.Header.Get("X-H"), len(c.head))
			requireSame(t, body.String(), got)
		})
	}
	t.Run("long answers", func(t *testing.T) {
		t.Parallel()
		r := serve(t, func(http.ResponseWriter, *http.Request) {})
		answer := body.String()[:100_000]
		r.add(t, "x", "http_status", fmt.Sprintf(`{"body":%q}`, answer))
		conn := r.dial(t)
		const pipelined = 20
		go func() {
			_, _ = io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", pipelined))
		}()
		reader := bufio.NewReader(conn)
		for range pipelined {
			response, err := http.ReadResponse(reader, nil)
			require.NoError(t, err)
			got, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			requireSame(t, answer, string(got))
		}
	})
}

// requireSame compares long texts without showing them.
func requireSame(tb testing.TB, want, got string) {
	tb.Helper()
	if want != got {
		require.Fail(tb, "bytes were lost or changed", "%d of %d came", len(got), len(want))
	}
}
