// Package httpstream splits a byte stream into HTTP/1.1 messages without
// losing or changing a byte. It is pure: bytes in, parts out.
//
// A [Parser] is fed with chunks that are cut anywhere. It returns message heads
// whole, and bodies as the very bytes that came, framing included (RFC 9112).
// What is not HTTP/1.1 turns the parser opaque: from then on it returns all
// bytes as they come. A [Head] can be edited line by line; the lines that are
// not touched stay as they were.
package httpstream
