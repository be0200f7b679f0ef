package traced

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzRedactURL: what is left is either the URL's own bytes or REDACTED, and
// redacting again changes nothing.
func FuzzRedactURL(f *testing.F) {
	for _, seed := range []string{
		"", "http://u:p@h/?sig=1#x", "https://h/?X-Amz-Signature=a&b=c", "://@", "?sig", "?sig=",
		"http://a@b@c/?%73ig=1&Signature=2#?sig=3", "http://h?sig=1?sig=2", "a://b:c@d?e#f@g",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := RedactURL(raw)
		if again := RedactURL(got); again != got {
			t.Fatalf("%q: %q becomes %q", raw, got, again)
		}
		rest := raw
		kept := strings.Replace(got, redacted+":"+redacted+"@", redacted+"@", 1)
		for part := range strings.SplitSeq(kept, redacted) {
			i := strings.Index(rest, part)
			if i < 0 {
				t.Fatalf("%q: %q is not of the URL's bytes", raw, part)
			}
			rest = rest[i+len(part):]
		}
		u, err := url.Parse(got)
		if err != nil {
			return
		}
		for name, values := range u.Query() {
			for _, value := range values {
				if isSecretParameter(name) && value != "" && value != redacted {
					t.Fatalf("%q: %s=%s is left in %q", raw, name, value, got)
				}
			}
		}
	})
}

// FuzzRetryAfter: whatever a server asks for, the wait is bounded.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, seed := range []string{
		"", "3", "-1", "99999999999999999999", "Sun, 01 Mar 2026 12:00:03 GMT", "soon",
		"Sunday, 01-Mar-26 12:00:03 GMT", "Sun Mar  1 12:00:03 2026", "Mon, 01 Jan 0001 00:00:00 GMT",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wait, ok := parseRetryAfter(value, now)
		if wait < 0 || wait > maxRetryAfter || !ok && wait != 0 {
			t.Fatalf("%q: wait %v, %v", value, wait, ok)
		}
	})
}
