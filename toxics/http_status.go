package toxics

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
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
	if f.Body != "" && bodylessStatus(f.Status) {
		return fmt.Errorf("body must be empty for status %d, got %q", f.Status, f.Body)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		if err := checkHeader("headers", name, f.Headers[name]); err != nil {
			return err
		}
	}
	if strings.ContainsAny(f.RetryAfter, "\r\n\x00") {
		return fmt.Errorf("retry_after must be seconds or a date, got %q", f.RetryAfter)
	}
	return oneOf("mode", f.Mode, "abort", "replace")
}

func bodylessStatus(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

func (f *statusFault) mode() string { return f.Mode }

func (f *statusFault) request(x *exchange, r *rule, _ uint64) {
	if x.answer != nil {
		return // an earlier toxic answers; this one was selected and not injected
	}
	x.answer = &answer{status: f.Status, headers: f.Headers, body: f.Body}
	if f.RetryAfter != "" {
		x.answer.headers = maps.Clone(f.Headers)
		if x.answer.headers == nil {
			x.answer.headers = make(map[string]string, 1)
		}
		x.answer.headers["Retry-After"] = f.RetryAfter
	}
	x.abort = f.Mode == "abort"
	x.injectLater(r, f.Mode)
}

// bytes is the response on the wire. A response to HEAD and those of some
// statuses have no body.
func (a *answer) bytes(x *exchange) []byte {
	b := make([]byte, 0, 256+len(a.body))
	b = fmt.Appendf(b, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	for _, name := range slices.Sorted(maps.Keys(a.headers)) {
		b = append(b, name+": "+a.headers[name]+"\r\n"...)
		if strings.EqualFold(name, "Connection") && strings.EqualFold(a.headers[name], "close") {
			x.closing = true
		}
	}
	for _, m := range x.marks {
		b = append(b, "X-Toxic: "+m.rule.mark(m.mode)+"\r\n"...)
	}
	switch {
	case x.closing:
		b = append(b, "Connection: close\r\n"...)
	case x.head.Old(): // its sender waits for the end, unless it is told
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if bodylessStatus(a.status) {
		return append(b, "\r\n"...)
	}
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(a.body))
	if x.method != http.MethodHead {
		b = append(b, a.body...)
	}
	return b
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
