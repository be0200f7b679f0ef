package clientspan

import (
	"bytes"
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Owns reports whether a CLIENT span with this descriptor is the load's: an
// HTTP span of the named service or, without a name, of [Scope].
func Owns(service string, d *span.Descriptor) bool {
	if service != "" {
		return d.Service == service && d.Method != ""
	}
	return d.Scope == Scope && d.Method != ""
}

// Attempt is the attempt behind a CLIENT span, as far as the span's own fields
// tell. Without a status, whether a byte left cannot be told from them: no
// SERVER span is no proof then. Its number is 0 until [Renumber].
func Attempt(r *span.Record, labels *span.Labels) span.Attempt {
	a := span.Attempt{
		TraceID: r.TraceID, SpanID: r.SpanID, Operation: r.ParentID, Labels: labels,
		TraceState: r.TraceState, Start: r.Start, Duration: max(0, r.End-r.Start),
		Sends: 1, Status: r.Status, Sampled: true,
	}
	if r.Status == 0 {
		a.Outcome = span.OutcomeSentFailed
	}
	return a
}

// Renumber orders attempts by trace, operation and start, and completes what
// those of one operation say of each other. A number that the load gave is kept.
//
// A load that gives none may send anything under one span. There, a request is
// taken for a retry of one like it that failed before it began.
func Renumber(list []span.Attempt) {
	slices.SortFunc(list, func(a, b span.Attempt) int {
		return cmp.Or(bytes.Compare(a.TraceID[:], b.TraceID[:]),
			bytes.Compare(a.Operation[:], b.Operation[:]), cmp.Compare(a.Start, b.Start),
			bytes.Compare(a.SpanID[:], b.SpanID[:]))
	})
	for first := 0; first < len(list); {
		next := first + 1
		for next < len(list) && sameOperation(&list[first], &list[next]) {
			next++
		}
		number(list[first:next])
		first = next
	}
}

// maxLookBack bounds how many attempts of an operation a retry is looked for in.
const maxLookBack = 64

// number completes the attempts of one operation, which are in order.
func number(operation []span.Attempt) {
	for i := range operation {
		a := &operation[i]
		earlier := operation[max(0, i-maxLookBack):i]
		told := a.Number > 0
		if !told {
			a.Number = 1
			if failed := lastTry(earlier, a); failed != nil {
				a.Number = failed.Number + 1
			}
		}
		a.Resend = uint16(min(i, 1<<16-1))
		a.Hop = told && slices.ContainsFunc(earlier, func(b span.Attempt) bool {
			return b.Number == a.Number
		})
		if a.Number > 1 && !a.Hop && i > 0 {
			before := &operation[i-1]
			a.Backoff = max(0, a.Start-before.Start-before.Duration)
		}
	}
}

// lastTry is the last request like a, if it failed before a began.
func lastTry(earlier []span.Attempt, a *span.Attempt) *span.Attempt {
	for i := range slices.Backward(earlier) {
		b := &earlier[i]
		if b.Labels.Name != a.Labels.Name || b.Labels.Method != a.Labels.Method {
			continue
		}
		if retryable(b.Status) && b.Start+b.Duration <= a.Start {
			return b
		}
		return nil
	}
	return nil
}

// retryable reports whether clients send again after a status; 0 stands for none.
func retryable(status uint16) bool {
	return status == 0 || status == requestTimeout || status == tooManyRequests ||
		status >= serverError
}

// Statuses that clients retry on; net/http is not for the core.
const (
	requestTimeout  = 408
	tooManyRequests = 429
	serverError     = 500 // the first of them
)

// sameOperation reports whether two attempts belong to one logical request:
// they share the span around them.
func sameOperation(a, b *span.Attempt) bool {
	return a.TraceID == b.TraceID && a.Operation == b.Operation &&
		a.Operation != tracecontext.SpanID{}
}

// The values of [Outcome].
const (
	notSent    = "not_sent"
	sentFailed = "sent_failed"
)

// FormatOutcome is the value of [Outcome]; empty for an answered attempt.
func FormatOutcome(o span.Outcome) string {
	switch o {
	case span.OutcomeNotSent:
		return notSent
	case span.OutcomeSentFailed:
		return sentFailed
	default:
		return ""
	}
}

// ParseOutcome reads the value of [Outcome]; ok is false for any other text.
func ParseOutcome(text string) (o span.Outcome, ok bool) {
	switch text {
	case notSent:
		return span.OutcomeNotSent, true
	case sentFailed:
		return span.OutcomeSentFailed, true
	default:
		return span.OutcomeAnswered, false
	}
}

// FormatMark writes a mark as the X-Toxic header has it.
func FormatMark(m span.Mark) string {
	text := m.Type
	if m.Mode != "" {
		text += "; mode=" + m.Mode
	}
	if m.Name != "" {
		text += "; name=" + url.PathEscape(m.Name)
	}
	if m.Proxy != "" {
		text += "; proxy=" + url.PathEscape(m.Proxy)
	}
	if m.Phase != "" {
		text += "; phase=" + url.QueryEscape(m.Phase)
	}
	return text
}

// ParseMark reads one value of the X-Toxic header, `<type>; mode=<mode>;
// name=<name>; proxy=<proxy>; phase=<phase>`. What it does not know it leaves out.
func ParseMark(value string) span.Mark {
	kind, parameters, _ := strings.Cut(value, ";")
	mark := span.Mark{Type: strings.TrimSpace(kind)}
	for parameter := range strings.SplitSeq(parameters, ";") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(parameter), "="); name {
		case "mode":
			mark.Mode = value
		case "name":
			mark.Name = unescaped(value)
		case "proxy":
			mark.Proxy = unescaped(value)
		case "phase":
			if phase, err := url.QueryUnescape(value); err == nil {
				mark.Phase = phase
			}
		}
	}
	return mark
}

// unescaped is a name as it was before it was percent-encoded, if it was.
func unescaped(value string) string {
	if name, err := url.PathUnescape(value); err == nil {
		return name
	}
	return value
}

// PlainName is a name tag without its query, which may hold secrets.
func PlainName(name string) string {
	plain, _, hasQuery := strings.Cut(name, "?")
	if hasQuery {
		plain += "?…"
	}
	return plain
}
