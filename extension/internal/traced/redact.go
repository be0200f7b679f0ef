package traced

import (
	"net/url"
	"regexp"
	"strings"
)

// redacted takes the place of what must not be recorded.
const redacted = "REDACTED"

// RedactURL replaces credentials and the values of signature parameters, and
// leaves every other byte as it is
// (https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/, note on url.full).
func RedactURL(raw string) string {
	raw = redactUser(raw)
	before, _, _ := strings.Cut(raw, "#")
	start := strings.IndexByte(before, '?')
	if start < 0 {
		return raw
	}
	parameters := strings.Split(before[start+1:], "&")
	changed := false
	for i, parameter := range parameters {
		name, _, hasValue := strings.Cut(parameter, "=")
		if hasValue && isSecretParameter(name) {
			parameters[i] = name + "=" + redacted
			changed = true
		}
	}
	if !changed {
		return raw
	}
	return raw[:start+1] + strings.Join(parameters, "&") + raw[len(before):]
}

// quotation is a text that was formatted with %q.
var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// redactQuoted redacts the URLs that a message quotes.
func redactQuoted(message string) string {
	if !strings.Contains(message, "://") {
		return message
	}
	return quotation.ReplaceAllStringFunc(message, func(quoted string) string {
		return `"` + RedactURL(quoted[1:len(quoted)-1]) + `"`
	})
}

// redactUser replaces the userinfo of an absolute URL (RFC 3986 section 3.2.1).
func redactUser(raw string) string {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return raw
	}
	return raw[:len(raw)-len(rest)] + redacted + ":" + redacted + rest[at:]
}

// isSecretParameter compares a parameter's name, which may be percent-encoded,
// with the list of the conventions; case counts.
func isSecretParameter(name string) bool {
	if decoded, err := url.QueryUnescape(name); err == nil {
		name = decoded
	}
	switch name {
	case "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId",
		"Signature", "sig", "X-Goog-Signature":
		return true
	default:
		return false
	}
}
