package report

import (
	"regexp"
	"strings"
)

// maxText bounds every string that comes from outside, in bytes.
const maxText = 200

var (
	userinfo = regexp.MustCompile(`//[^\s/?#@]*@`)
	query    = regexp.MustCompile(`([?#])[^\s?#"'=]*=[^\s"']*`)
)

// scrub makes a string that somebody else chose fit to be kept: without the
// credentials of URLs in it, without the values of their queries and fragments,
// valid UTF-8, and of bounded length.
func scrub(s string) string {
	if strings.ContainsAny(s, "?#@") {
		s = userinfo.ReplaceAllString(s, "//REDACTED@")
		s = query.ReplaceAllString(s, "$1…")
	}
	return clip(s)
}

// clip bounds the length of a string and makes it valid UTF-8.
func clip(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// scrubMap scrubs the values of a map and returns a new one; nil for none.
func scrubMap(in map[string]string) map[string]string {
	if in == nil {
		return nil
	}
	out := make(map[string]string, len(in))
	for key, value := range in {
		out[scrub(key)] = scrub(value)
	}
	return out
}

// scrubbed returns the run with every string fit to be kept.
func (r Run) scrubbed() Run {
	r.ID, r.Script, r.Plan = scrub(r.ID), scrub(r.Script), scrub(r.Plan)
	r.Source, r.Sampling = scrub(r.Source), scrub(r.Sampling)
	r.Labels, r.Options = scrubMap(r.Labels), scrubMap(r.Options)
	return r
}
