package otlp

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzPlain holds the scan of plain fields to the general one: the same spans
// are well-formed, and mean the same.
func FuzzPlain(f *testing.F) {
	sized := func(tag byte, content string) string { return string([]byte{tag, byte(len(content))}) + content }
	attribute := func(parts ...string) string { return sized(tagAttributes, strings.Join(parts, "")) }
	method, status := sized(tagKey, "http.method"), sized(tagKey, "http.status_code")
	get, put := sized(tagValue, sized(tagString, "GET")), sized(tagValue, sized(tagString, "PUT"))
	for _, s := range []string{
		"", "\x0a\x02ab\x12\x01c\x22\x00\x2a\x03abc\x30\x02\x39abcdefgh\x41abcdefgh\x7a\x00\x85\x01abcd",
		attribute(method, get), attribute(get, method), attribute(method, get, put), attribute(method),
		attribute(method, sized(tagValue, sized(tagString, "GET")+"\x18\x01")), attribute(sized(tagKey, "x"), get),
		attribute(status, sized(tagValue, "\x18\x07")), attribute(status, sized(tagValue, "\x18\xc8\x01")),
		attribute(status, sized(tagValue, "\x18\xc8\x81\x01")), attribute(status, sized(tagValue, "\x18\x07\x00")),
		attribute(status, sized(tagValue, "\x18\xc8")), attribute(method, sized(tagValue, "")), attribute(),
		"\x30\x80\x01", "\x7a\x02\x18\x02\x85\x02abcd", "\x0a\x82\x00ab\x0a\x82\x80\x00ab\x1a\x80\x01",
		"\x2a\x80\x01" + strings.Repeat("n", 128), "\x2a\x80\x01" + strings.Repeat("n", 127), "\x2a", "\x39abcdefg",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var plain, general fields
		got := plain.scan(b)
		var want error
		for rest := b; len(rest) > 0 && want == nil; {
			rest, want = general.any(rest)
		}
		if (got == nil) != (want == nil) {
			t.Fatalf("want %v, got %v", want, got)
		}
		if want != nil {
			return
		}
		if !sameFields(&general, &plain) {
			t.Fatalf("want %+v\n got %+v", general, plain)
		}
	})
}

func sameFields(a, b *fields) bool {
	for i := range a.attrs {
		v, w := &a.attrs[i], &b.attrs[i]
		if v.kind != w.kind || v.num != w.num || !bytes.Equal(v.text, w.text) {
			return false
		}
	}
	return bytes.Equal(a.traceID, b.traceID) && bytes.Equal(a.spanID, b.spanID) &&
		bytes.Equal(a.parentID, b.parentID) && bytes.Equal(a.traceState, b.traceState) &&
		bytes.Equal(a.name, b.name) && a.start == b.start && a.end == b.end &&
		a.flags == b.flags && a.kind == b.kind && a.statusCode == b.statusCode && a.seen == b.seen
}
