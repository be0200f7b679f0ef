package httpstream_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// reading is what a parser made of a stream.
type reading struct {
	heads  []string
	body   string // the content of all bodies
	all    string // the data of all parts, and what was pending
	lasts  int    // messages that ended
	opaque string // what was passed on unread
}

// read feeds a parser with chunks.
func read(p *httpstream.Parser, chunks ...[]byte) reading {
	var r reading
	for _, data := range chunks {
		for len(data) > 0 {
			var part httpstream.Part
			part, data = p.Next(data)
			if part.Kind == httpstream.KindNone {
				break
			}
			r.all += string(part.Data)
			switch part.Kind {
			case httpstream.KindHead:
				r.heads = append(r.heads, string(part.Head.Bytes()))
			case httpstream.KindBody:
				r.body += string(part.Data)
			case httpstream.KindOpaque:
				r.opaque += string(part.Data)
			default:
			}
			if part.Last {
				r.lasts++
			}
		}
	}
	r.all += string(p.Pending())
	return r
}

// parserFor makes a parser of requests, or of responses to a method.
func parserFor(method string) *httpstream.Parser {
	if method == "" {
		return httpstream.NewRequestParser()
	}
	return httpstream.NewResponseParser(func() string { return method })
}

// cut splits data at random places, sometimes into single bytes.
func cut(r *rand.Rand, data []byte) [][]byte {
	var out [][]byte
	most := 1 + r.IntN(40)
	for len(data) > 0 {
		n := min(1+r.IntN(most), len(data))
		out = append(out, bytes.Clone(data[:n]))
		data = data[n:]
	}
	return out
}

type streamCase struct {
	name   string
	method string // that responses answer; empty for requests
	input  string
	heads  int
	lasts  int
	body   string
	opaque bool
}

func streams() []streamCase {
	long := strings.Repeat("x", httpstream.MaxHead)
	return []streamCase{
		{"a request without a body", "", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, 1, "", false},
		{"pipelined requests", "", "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", 2, 2, "", false},
		{"a request with a length", "", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", 2, 2, "abc", false},
		{"the same length twice", "", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-length: 3\r\n\r\nabc", 1, 1, "abc", false},
		{"a length of nothing", "", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1, 1, "", false},
		{"a chunked request with extension and trailers", "", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3;a=b\r\nabc\r\nA \r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2, 2, "abc0123456789", false},
		{"chunked wins over a length", "", "POST / HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2, 2, "", false},
		{"lines that end with a line feed alone", "", "GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\n\n", 2, 2, "", false},
		{"empty lines between requests", "", "\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2, 2, "", false},
		{"a folded header line", "", "GET / HTTP/1.1\r\nX: a\r\n  b\r\n\r\n", 1, 1, "", false},
		{"HTTP/1.0", "", "GET / HTTP/1.0\r\n\r\n", 1, 1, "", false},
		{"a method of its own", "", "BREW /pot HTTP/1.1\r\n\r\n", 1, 1, "", false},
		{"HTTP/2 with prior knowledge", "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00", 0, 0, "", true},
		{"a TLS hello", "", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 0, 0, "", true},
		{"another line protocol", "", "SET key value\r\n", 0, 0, "", true},
		{"lengths that differ", "", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0, 0, "", true},
		{"a length with a sign", "", "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", 0, 0, "", true},
		{"a length beyond 63 bits", "", "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabc", 0, 0, "", true},
		{"a space before the colon", "", "POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc", 0, 0, "", true},
		{"a line of carriage returns", "", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\nX: y\r\n\r\n", 0, 0, "", true},
		{"a header line without a colon", "", "GET / HTTP/1.1\r\nnonsense\r\n\r\n", 0, 0, "", true},
		{"a request coding that is not chunked", "", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc", 0, 0, "", true},
		{"a coding behind white space that is none", "", "POST / HTTP/1.1\r\nTransfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 0, 0, "", true},
		{"a length behind white space that is none", "", "POST / HTTP/1.1\r\nContent-Length: \u00a01\r\n\r\nabc", 0, 0, "", true},
		{"a folded transfer coding", "", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n0\r\n\r\n", 0, 0, "", true},
		{"a head of more than 1 MiB", "", "GET / HTTP/1.1\r\nX: " + long + "\r\n\r\n", 0, 0, "", true},
		{"a first line of more than 1 MiB", "", "GET /" + long + " HTTP/1.1\r\n\r\n", 0, 0, "", true},
		{"a head of nearly 1 MiB", "", "GET / HTTP/1.1\r\nX: " + long[:httpstream.MaxHead-30] + "\r\n\r\n", 1, 1, "", false},
		{"a chunk size that is none", "", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\nabc", 1, 0, "abc", true},
		{"a chunk longer than its size", "", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 1, 0, "abc", true},
		{"an incomplete head", "", "GET / HTTP/1.1\r\nHos", 0, 0, "", false},

		{"a response with a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 2, 2, "ok", false},
		{"a response without a reason", "GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 1, 1, "ok", false},
		{"a response to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 2, 2, "", false},
		{"204 and 304 have no body", "GET", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 3, 3, "x", false},
		{"interim responses before the final one", "POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 3, 3, "x", false},
		{"a response that ends with the connection", "GET", "HTTP/1.1 200 OK\r\n\r\neverything\r\nHTTP/1.1 200 OK\r\n\r\n", 1, 0, "everything\r\nHTTP/1.1 200 OK\r\n\r\n", false},
		{"a coding that ends with the connection", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzz", 1, 0, "zz", false},
		{"a chunked response with trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 2, 2, "x", false},
		{"switching protocols", "GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello", 1, 1, "", true},
		{"an answered CONNECT", "CONNECT", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 500 x\r\n\r\n", 1, 1, "", true},
		{"a refused CONNECT", "CONNECT", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 1, 1, "no", false},
		{"garbage", "GET", "\x00\x01garbage", 0, 0, "", true},
		{"garbage that begins well", "GET", "HTTP/1.1 abc\r\n\r\n", 0, 0, "", true},
		{"half a response", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 1, 0, "half", false},
	}
}

func TestParserReadsEveryFraming(t *testing.T) {
	t.Parallel()
	for _, c := range streams() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := read(parserFor(c.method), []byte(c.input))
			requireBytes(t, c.input, got.all, "whole")
			assert.Len(t, got.heads, c.heads)
			assert.Equal(t, c.lasts, got.lasts)
			assert.Equal(t, c.body, got.body)
			assert.Equal(t, c.opaque, got.opaque != "")
		})
	}
}

func TestParserReadsTheSameWhereverItIsCut(t *testing.T) {
	t.Parallel()
	for _, c := range streams() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := read(parserFor(c.method), []byte(c.input))
			offsets := len(c.input)
			if offsets > 4096 {
				offsets = 64 // the long ones: only around their beginning
			}
			for i := range offsets {
				data := []byte(c.input)
				got := read(parserFor(c.method), data[:i:i], data[i:])
				requireSame(t, want, got, fmt.Sprintf("cut at %d", i))
			}
			r := rand.New(rand.NewPCG(1, 2))
			got := read(parserFor(c.method), cut(r, []byte(c.input))...)
			requireSame(t, want, got, "cut at random")
		})
	}
}

// requireBytes compares streams, without a difference of a MiB when it fails.
func requireBytes(tb testing.TB, want, got, how string) {
	tb.Helper()
	if want != got {
		require.Fail(tb, "bytes were changed", "%s: %.200q became %.200q", how, want, got)
	}
}

// requireSame compares what does not depend on the cuts. Where a body turns
// opaque, bytes of its framing may have passed as such before.
func requireSame(tb testing.TB, want, got reading, how string) {
	tb.Helper()
	require.Equal(tb, want.heads, got.heads, how)
	requireBytes(tb, want.all, got.all, how)
	require.Equal(tb, want.body, got.body, how)
	require.Equal(tb, want.lasts, got.lasts, how)
	require.Equal(tb, want.opaque == "", got.opaque == "", how)
}

func TestParserHoldsNothingBackButHeads(t *testing.T) {
	t.Parallel()
	p := parserFor("GET")
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	require.Len(t, read(p, []byte(head)).heads, 1)
	for _, piece := range []string{"5", "\r", "\n", "he", "llo\r", "\n0", "\r\nX: y", "\r\n\r"} {
		assert.Equal(t, piece, read(p, []byte(piece)).all)
	}
}

func TestRandomMessagesSurviveRandomCuts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var stream, bodies strings.Builder
		n := rapid.IntRange(1, 6).Draw(t, "messages")
		for i := range n {
			body := rapid.StringMatching(`[a-z\r\n]{0,60}`).Draw(t, "body")
			fmt.Fprintf(&stream, "POST /%d HTTP/1.1\r\nHost: a\r\n", i)
			if rapid.Bool().Draw(t, "chunked") {
				stream.WriteString("Transfer-Encoding: chunked\r\n\r\n")
				for piece := []byte(body); len(piece) > 0; {
					k := rapid.IntRange(1, len(piece)).Draw(t, "chunk")
					fmt.Fprintf(&stream, "%x\r\n%s\r\n", k, piece[:k])
					piece = piece[k:]
				}
				stream.WriteString("0\r\n\r\n")
			} else {
				fmt.Fprintf(&stream, "Content-Length: %d\r\n\r\n%s", len(body), body)
			}
			bodies.WriteString(body)
		}
		seed := rapid.Uint64().Draw(t, "cuts")
		r := rand.New(rand.NewPCG(seed, 0))
		got := read(parserFor(""), cut(r, []byte(stream.String()))...)
		require.Equal(t, stream.String(), got.all)
		require.Equal(t, bodies.String(), got.body)
		require.Equal(t, n, got.lasts)
		require.Empty(t, got.opaque)
	})
}

// FuzzParser splits any bytes at any places: the bytes and the reading must not
// depend on where, and the parser must come to an end.
func FuzzParser(f *testing.F) {
	for i, c := range streams() {
		if len(c.input) < 4096 {
			f.Add([]byte(c.input), uint64(i), c.method)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, method string) {
		want := read(parserFor(method), data)
		requireBytes(t, string(data), want.all, "whole")
		r := rand.New(rand.NewPCG(seed, 0))
		requireSame(t, want, read(parserFor(method), cut(r, data)...), "cut at random")
	})
}

// FuzzHead edits any head: what is not touched stays as it was.
func FuzzHead(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\t2\r\nx: 3\r\n\r\n"), "X")
	f.Add([]byte("GET / HTTP/1.1\nHost: a\n\n"), "Host")
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"), "Connection")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		part, _ := parserFor("").Next(data)
		if part.Kind != httpstream.KindHead || strings.ContainsAny(name, ": \t\r\n") || name == "" {
			return
		}
		h := part.Head
		before := string(h.Bytes())
		_, had := h.Get(name)
		require.Equal(t, had, h.Remove(name))
		_, has := h.Get(name)
		require.False(t, has)
		if !had {
			require.Equal(t, before, string(h.Bytes()))
		}
		h.Add(name, "v")
		value, _ := h.Get(name)
		require.Equal(t, "v", value)
		require.True(t, h.Remove(name))
		again, _ := parserFor("").Next(h.Bytes())
		require.Equal(t, httpstream.KindHead, again.Kind)
	})
}
