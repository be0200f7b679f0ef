package toxics_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// abortAll answers everything below /hit.
const abortAll = `{"status":503,"body":"no","match":{"path":"/hit"}}`

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		text, _ := io.ReadAll(q.Body) // reading makes the server send 100 Continue
		_, _ = w.Write(text)
	})
	r.add(t, "x", "http_status", abortAll)
	conn := r.dial(t)
	reader := bufio.NewReader(conn)
	send := func(text string) {
		_, err := io.WriteString(conn, text)
		require.NoError(t, err)
	}
	const head = " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	send("POST /" + head)
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = reader.ReadString('\n')
	require.NoError(t, err)
	send("hello")
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))

	send("POST /hit" + head)
	response, err = http.ReadResponse(reader, nil)
	require.NoError(t, err)
	text, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, 503, response.StatusCode)
	assert.Equal(t, "no", string(text))
	assert.True(t, response.Close, "only the client knows whether its body comes")
	send("hello") // a body that comes all the same ends the connection, read
	_, err = reader.ReadByte()
	assert.ErrorIs(t, err, io.EOF)
}

func TestAbortedHTTP10EndsTheConnection(t *testing.T) {
	t.Parallel()
	r := serve(t, func(http.ResponseWriter, *http.Request) {})
	r.add(t, "x", "http_status", abortAll)
	conn := r.dial(t)
	_, err := io.WriteString(conn, "POST /hit HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
	require.NoError(t, err)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(text), "HTTP/1.1 503 "), "%q", text)
	assert.True(t, strings.HasSuffix(string(text), "\r\n\r\nno"), "%q", text)
}

func TestReplacedResponseThatEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	r := accept(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nuntil the end")
	})
	response, text := get(t, client(t, 1), r.url("/"))
	assert.Equal(t, int64(-1), response.ContentLength)
	assert.Equal(t, "until the end", text)
	r.add(t, "x", "http_status", `{"status":500,"mode":"replace","body":"no"}`)
	response, text = get(t, client(t, 1), r.url("/"))
	assert.Equal(t, 500, response.StatusCode)
	assert.Equal(t, "no", text)
	assert.True(t, response.Close)
}

func TestStatusesWithoutBody(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.Header().Set("Etag", "x")
			w.WriteHeader(http.StatusNotModified)
		case "/103":
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "after hints")
		default:
			_, _ = io.WriteString(w, "body")
		}
	})
	r.add(t, "x", "http_header", `{"on":"response","set":{"X-A":"b"}}`)
	r.add(t, "y", "http_status", `{"status":204,"match":{"path":"/y204"}}`)
	r.add(t, "z", "http_status", `{"status":304,"mode":"replace","match":{"path":"/z304"}}`)
	c := client(t, 1)
	for _, path := range []string{"/204", "/304", "/103", "/y204", "/z304", "/", "/204", "/"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			response, text := do(t, c, method, r.url(path), nil)
			want := map[string]string{"/103": "after hints", "/": "body"}[path]
			if method == http.MethodHead {
				want = ""
			}
			assert.Equal(t, want, text, path)
			assert.NotEmpty(t, response.Header.Get("X-Toxic"), path)
		}
	}
	assert.Zero(t, r.counts().PassedThrough)
}

// TestUpgradesPassThrough speaks an echo protocol after 101, as WebSocket does.
func TestUpgradesPassThrough(t *testing.T) {
	t.Parallel()
	r := accept(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		if _, err := http.ReadRequest(reader); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+
			"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, reader)
	})
	r.add(t, "x", "http_status", abortAll)
	conn := r.dial(t)
	reader := bufio.NewReader(conn)
	_, err := io.WriteString(conn,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	require.Equal(t, 101, response.StatusCode)
	// What looks like a request is none any longer.
	for _, frame := range []string{"\x81\x05hello", "GET /hit HTTP/1.1\r\n\r\n", "\x00\xff"} {
		_, err := io.WriteString(conn, frame)
		require.NoError(t, err)
		echo := make([]byte, len(frame))
		_, err = io.ReadFull(reader, echo)
		require.NoError(t, err)
		assert.Equal(t, frame, string(echo))
	}
	assert.Equal(t, toxics.Counts{Seen: 1, PassedThrough: 1}, r.counts())
}

func TestHTTP2PassesThrough(t *testing.T) {
	t.Parallel()
	service := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, q *http.Request) { _, _ = io.WriteString(w, q.Proto) }))
	service.Config.Protocols = new(http.Protocols)
	service.Config.Protocols.SetUnencryptedHTTP2(true)
	service.Start()
	t.Cleanup(service.Close)
	r := newRig(t, service.Listener.Addr().String())
	r.add(t, "x", "http_status", `{"status":503}`)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	for range 3 {
		_, text := get(t, &http.Client{Transport: transport, Timeout: patience}, r.url("/hit"))
		assert.Equal(t, "HTTP/2.0", text)
	}
	assert.Equal(t, toxics.Counts{PassedThrough: 1}, r.counts())
}

// TestOtherProtocolsPassThrough lets the service speak first.
func TestOtherProtocolsPassThrough(t *testing.T) {
	t.Parallel()
	r := accept(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "220 mail\r\n")
		_, _ = io.Copy(conn, conn)
	})
	r.add(t, "x", "http_status", `{"status":503}`)
	conn := r.dial(t)
	reader := bufio.NewReader(conn)
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "220 mail\r\n", line)
	for _, text := range []string{"EHLO me\r\n", "GET / HTTP/1.1\r\n\r\n", "QUIT\n"} {
		_, err := io.WriteString(conn, text)
		require.NoError(t, err)
		echo := make([]byte, len(text))
		_, err = io.ReadFull(reader, echo)
		require.NoError(t, err)
		assert.Equal(t, text, string(echo))
	}
	assert.Equal(t, toxics.Counts{PassedThrough: 1}, r.counts())
}

// TestBigBodiesAreStreamed sends bodies both ways that are far bigger than the
// memory that may be in use at the end of them.
func TestBigBodiesAreStreamed(t *testing.T) { //nolint:paralleltest // it measures the process's heap
	const size = 96 << 20
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, q.Body)
		if err != nil || n != size {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write(sum.Sum(nil))
		_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
	})
	r.add(t, "x", "http_header", `{"on":"response","set":{"X-A":"b"}}`)
	r.add(t, "y", "http_body", `{"mode":"corrupt","bytes":1000000000}`)
	request, err := http.NewRequest(http.MethodPost, r.url("/"), io.LimitReader(zeros{}, size))
	require.NoError(t, err)
	unhurried := client(t, 1)
	unhurried.Timeout = 0
	response, err := unhurried.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	sum := make([]byte, sha256.Size)
	_, err = io.ReadFull(response.Body, sum)
	require.NoError(t, err)
	want := sha256.New()
	_, _ = io.Copy(want, io.LimitReader(zeros{}, size))
	assert.Equal(t, want.Sum(nil), sum)
	_, err = io.CopyN(io.Discard, response.Body, size/2)
	require.NoError(t, err)
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	assert.Less(t, memory.HeapAlloc, uint64(size/2), "with half of the response still to come")
	rest, err := io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	assert.Equal(t, int64(size/2), rest)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestHeaderOfAMebibyte(t *testing.T) {
	t.Parallel()
	r := accept(t, func(conn net.Conn) {
		var got bytes.Buffer
		_, _ = io.CopyN(&got, conn, 1<<20+1000)
		ok := bytes.Count(got.Bytes(), []byte("x")) > 1<<20-200
		_, _ = io.WriteString(conn, "HTTP/1.1 431 Too Big\r\nContent-Length: 2\r\n\r\n"+
			map[bool]string{true: "ok", false: "no"}[ok])
	})
	r.add(t, "x", "http_status", abortAll)
	conn := r.dial(t)
	text := "GET /hit HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"
	go func() { _, _ = io.WriteString(conn, text+strings.Repeat("y", 1000)) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, 431, response.StatusCode)
	assert.Equal(t, "ok", string(body))
	assert.Equal(t, toxics.Counts{PassedThrough: 1}, r.counts())
}

func TestBadUpstreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, answer, want string }{
		{"says nothing and closes", "", ""},
		{"sends garbage", "\x00\x01garbage\r\n", "\x00\x01garbage\r\n"},
		{"sends garbage that begins well", "HTTP/1.1 xyz\r\n\r\nabc", "HTTP/1.1 xyz\r\n\r\nabc"},
		{"sends half a head", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Le"},
		{
			"sends half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
			"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
		},
		{
			"sends half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := accept(t, func(conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, c.answer)
			})
			r.add(t, "x", "http_status", abortAll)
			conn := r.dial(t)
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			require.NoError(t, err)
			text, err := io.ReadAll(conn)
			require.NoError(t, err)
			assert.Equal(t, c.want, string(text))
		})
	}
}

func TestUpstreamThatIsDown(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	r := newRig(t, address)
	r.add(t, "x", "http_status", abortAll)
	response, err := client(t, 1).Get(r.url("/hit"))
	if err == nil {
		_ = response.Body.Close()
	}
	require.Error(t, err, "toxiproxy connects before it reads")
	require.NotErrorIs(t, err, http.ErrHandlerTimeout)
}

// TestSlowClient sends and reads byte by byte.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		text, _ := io.ReadAll(q.Body)
		_, _ = w.Write(bytes.ToUpper(text))
	})
	r.add(t, "x", "http_header", `{"on":"response","set":{"X-A":"b"}}`)
	conn := r.dial(t)
	require.NoError(t, conn.SetNoDelay(true))
	require.NoError(t, conn.SetReadBuffer(1024))
	text := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
	for i := range text {
		_, err := io.WriteString(conn, text[i:i+1])
		require.NoError(t, err)
	}
	var got []byte
	for one := make([]byte, 1); ; {
		n, err := conn.Read(one)
		got = append(got, one[:n]...)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	assert.True(t, bytes.HasSuffix(got, []byte("\r\n\r\nHELLO")), "%q", got)
	assert.Contains(t, string(got), "X-Toxic: http_header; mode=response; name=x; proxy=p\r\n")
}
