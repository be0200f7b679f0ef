package toxics

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// statusFault is http_status: it answers with a status of its own.
type statusFault struct {
	Status     int               `json:"status"` // 200 to 599; default 503
	Mode       string            `json:"mode"`   // "abort" (default) or "replace"
	Body       string            `json:"body,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	RetryAfter string            `json:"retry_after,omitempty"` // value of Retry-After
}

func (f *statusFault) validate() error {
	if f.Status < 200 || f.Status > 599 {
		return fmt.Errorf("status must be between 200 and 599, got %d", f.Status)
	}
	for name, value := range f.Headers {
		if !isToken(name) || strings.ContainsAny(value, "\r\n") {
			return fmt.Errorf(
				"headers must be header names and values without line breaks, got %q: %q",
				name,
				value,
			)
		}
	}
	if strings.ContainsAny(f.RetryAfter, "\r\n") {
		return fmt.Errorf("retry_after must be seconds or a date, got %q", f.RetryAfter)
	}
	return oneOf("mode", f.Mode, "abort", "replace")
}

func (f *statusFault) mode() string { return f.Mode }

func (f *statusFault) request(x *exchange, r *rule) {
	if x.answer != nil {
		return // an earlier toxic answers; this one was selected and not injected
	}
	x.answer = &answer{status: f.Status, headers: maps.Clone(f.Headers), body: f.Body}
	if f.RetryAfter != "" {
		if x.answer.headers == nil {
			x.answer.headers = make(map[string]string, 1)
		}
		x.answer.headers["Retry-After"] = f.RetryAfter
	}
	x.abort = f.Mode == "abort"
	if x.abort {
		x.marks = append(x.marks, r.mark(f.Mode))
		x.onInjected = append(x.onInjected, r)
		return
	}
	x.inject(r, f.Mode)
}

// bytes is the response on the wire. A response to HEAD and those of some
// statuses have no body.
func (a *answer) bytes(x *exchange, closing bool) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	for _, name := range slices.Sorted(maps.Keys(a.headers)) {
		fmt.Fprintf(&b, "%s: %s\r\n", name, a.headers[name])
	}
	for _, mark := range x.marks {
		b.WriteString("X-Toxic: " + mark + "\r\n")
	}
	if closing {
		b.WriteString("Connection: close\r\n")
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		b.WriteString("Content-Length: " + strconv.Itoa(len(a.body)) + "\r\n\r\n")
		if x.method != http.MethodHead {
			b.WriteString(a.body)
		}
		return []byte(b.String())
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
