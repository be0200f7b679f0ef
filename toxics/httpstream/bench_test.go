package httpstream_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkParser reads a message that comes as one chunk.
func BenchmarkParser(b *testing.B) {
	const headers = "Host: shop.test\r\nUser-Agent: test\r\nAccept: */*\r\n" +
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
	for _, c := range []struct{ name, method, message string }{
		{"request", "", "GET /catalogue/items/17?size=m HTTP/1.1\r\n" + headers + "\r\n"},
		{
			"response", "GET", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" +
				"Content-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024),
		},
		{
			"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"400\r\n" + strings.Repeat("x", 1024) + "\r\n0\r\n\r\n",
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			parser, message := parserFor(c.method), []byte(c.message)
			b.ReportAllocs()
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				for rest := message; len(rest) > 0; {
					_, rest = parser.Next(rest)
				}
			}
			require.True(b, parser.Boundary())
		})
	}
}
