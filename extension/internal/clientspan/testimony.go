package clientspan

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// Testimony is what a CLIENT span of the load says about its attempt beyond the
// fields of a [span.Record].
type Testimony struct {
	Labels    span.Labels // without Group and Tags
	Marks     []span.Mark
	ErrorType string
	Outcome   span.Outcome
	Decided   bool // whether the span says how far the request got
	Number    uint16
	Sends     uint16
}

// Text takes up a string attribute; what it does not know it leaves out.
func (t *Testimony) Text(key, value string) {
	switch key {
	case Phase:
		t.Labels.Phase = value
	case Scenario:
		t.Labels.Scenario = value
	case Name:
		t.Labels.Name = value
	case Peer:
		t.Labels.Service = value
	case "http.request.method":
		t.Labels.Method = value
	case ErrorType:
		t.ErrorType = value
	case Outcome:
		t.Outcome, t.Decided = ParseOutcome(value)
	}
}

// Count takes up an integer attribute.
func (t *Testimony) Count(key string, value int64) {
	n := uint16(max(0, min(value, 1<<16-1))) //nolint:gosec // clamped
	switch key {
	case Number:
		t.Number = n
	case Sends:
		t.Sends = n
	}
}

// List takes up an attribute that is a list of strings.
func (t *Testimony) List(key string, values []string) {
	if key != Toxics {
		return
	}
	for _, value := range values {
		t.Marks = append(t.Marks, ParseMark(value))
	}
}

// Apply completes an attempt, all but its labels and marks, which the caller
// interns.
func (t *Testimony) Apply(a *span.Attempt) {
	a.ErrorType = t.ErrorType
	if t.Decided {
		a.Outcome = t.Outcome
	}
	a.Number, a.Sends = max(a.Number, t.Number), max(a.Sends, t.Sends)
}
