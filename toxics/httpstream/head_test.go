package httpstream_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

func head(t *testing.T, raw string) *httpstream.Head {
	t.Helper()
	p := httpstream.NewRequestParser()
	if raw[:5] == "HTTP/" {
		p = httpstream.NewResponseParser(func() string { return "GET" })
	}
	part, _ := p.Next([]byte(raw))
	require.Equal(t, httpstream.KindHead, part.Kind)
	return part.Head
}

func TestHeadReads(t *testing.T) {
	t.Parallel()
	h := head(t, "PATCH /a?b=c HTTP/1.1\r\nHost: a\r\nx-list: a, b\r\nX-List:c\r\nEmpty:\r\n\r\n")
	assert.Equal(t, "PATCH", h.Method())
	assert.Equal(t, "/a?b=c", h.Target())
	assert.Equal(t, []string{"a, b", "c"}, h.Values("X-LIST"))
	assert.Equal(t, []string{"host", "x-list", "x-list", "empty"}, h.Names())
	assert.True(t, h.Has("X-List", "B"))
	assert.True(t, h.Has("X-List", "c"))
	assert.False(t, h.Has("X-List", "d"))
	value, ok := h.Get("empty")
	assert.True(t, ok)
	assert.Empty(t, value)
	_, ok = h.Get("hos")
	assert.False(t, ok)
}

func TestHeadEditsOnlyWhatItIsTold(t *testing.T) {
	t.Parallel()
	const raw = "GET / HTTP/1.1\r\nhOST:  a \r\nX: 1\r\n\tfolded\r\nY: 2\r\nx: 3\r\n\r\n"
	h := head(t, raw)
	assert.False(t, h.Remove("Z"))
	assert.Equal(t, raw, string(h.Bytes()))
	assert.True(t, h.Remove("X"))
	assert.Equal(t, "GET / HTTP/1.1\r\nhOST:  a \r\nY: 2\r\n\r\n", string(h.Bytes()))
	h.Set("y", "new")
	assert.Equal(t, "GET / HTTP/1.1\r\nhOST:  a \r\ny: new\r\n\r\n", string(h.Bytes()))

	bare := head(t, "GET / HTTP/1.1\nHost: a\n\n")
	bare.Add("X", "1")
	assert.Equal(t, "GET / HTTP/1.1\nHost: a\nX: 1\r\n\n", string(bare.Bytes()))
}

func TestHeadKeepsAlive(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"GET / HTTP/1.1\r\n\r\n":                                     true,
		"GET / HTTP/1.1\r\nConnection: close\r\n\r\n":                false,
		"GET / HTTP/1.1\r\nConnection: Keep-Alive, Close\r\n\r\n":    false,
		"GET / HTTP/1.0\r\n\r\n":                                     false,
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n":           true,
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n":               false,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":               true,
		"HTTP/1.1 204 No\r\nconnection:close\r\nX: keep-alive\r\n\n": false,
	} {
		assert.Equal(t, want, head(t, raw).KeepsAlive(), raw)
	}
}
