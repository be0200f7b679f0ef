// Package httpstream splits a byte stream into HTTP/1.1 messages without
// losing or changing a byte. It is pure: bytes in, parts out.
//
// A [Parser] is fed with chunks that are cut anywhere. It returns message heads
// whole; bodies and the framing around them come as they arrive, so that nothing
// but an incomplete head is ever held back (RFC 9112,
// https://www.rfc-editor.org/rfc/rfc9112). The data of all parts, one after the
// other, is the input.
//
// What is not HTTP/1.1, or cannot be delimited with certainty, turns the parser
// opaque: from then on it returns all bytes as they come. Two readings of one
// message are how requests get mixed up, so a head that others may read
// differently (a space before a colon, lengths that differ, a folded length) is
// not followed.
//
// A [Head] can be edited line by line; the lines that are not touched stay as
// they were.
package httpstream
