package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// clientID names a CLIENT span.
type clientID struct {
	trace tracecontext.TraceID
	span  tracecontext.SpanID
}

// fileSpans is the part of an export request in OTLP/JSON that the testimony of
// the load is in.
type fileSpans struct {
	ResourceSpans []struct {
		ScopeSpans []struct {
			Scope struct {
				Name string `json:"name"`
			} `json:"scope"`
			Spans []fileSpan `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

type fileSpan struct {
	TraceID    string    `json:"traceId"`
	SpanID     string    `json:"spanId"`
	Name       string    `json:"name"`
	Kind       span.Kind `json:"kind"`
	Attributes []struct {
		Key   string    `json:"key"`
		Value fileValue `json:"value"`
	} `json:"attributes"`
}

// fileValue is an attribute's value: a text, an integer that is a number or a
// string, or a list of texts.
type fileValue struct {
	String *string         `json:"stringValue"`
	Int    json.RawMessage `json:"intValue"`
	Array  *struct {
		Values []struct {
			String string `json:"stringValue"`
		} `json:"values"`
	} `json:"arrayValue"`
}

// testify keeps what the traced client's spans in a line say about attempts.
// The line is one that the decoder has accepted.
func (l *load) testify(line []byte) {
	if !bytes.Contains(line, []byte(clientspan.Scope)) {
		return
	}
	var content fileSpans
	if err := json.Unmarshal(line, &content); err != nil {
		l.unread++ // the decoder is the judge of what is damaged
		return
	}
	for _, resource := range content.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			if scope.Scope.Name != clientspan.Scope {
				continue
			}
			for i := range scope.Spans {
				l.hear(&scope.Spans[i])
			}
		}
	}
}

// hear takes up one span.
func (l *load) hear(s *fileSpan) {
	var id clientID
	if s.Kind != span.KindClient || id.trace.UnmarshalText([]byte(s.TraceID)) != nil ||
		id.span.UnmarshalText([]byte(s.SpanID)) != nil {
		return
	}
	var t clientspan.Testimony
	t.Labels.Name = s.Name
	for _, a := range s.Attributes {
		switch {
		case a.Value.String != nil:
			t.Text(a.Key, *a.Value.String)
		case len(a.Value.Int) > 0:
			text := string(bytes.Trim(a.Value.Int, `"`))
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				t.Count(a.Key, n)
			}
		case a.Value.Array != nil:
			values := make([]string, len(a.Value.Array.Values))
			for i, v := range a.Value.Array.Values {
				values[i] = v.String
			}
			t.List(a.Key, values)
		}
	}
	l.words[id] = &word{
		Testimony: t, labels: intern(l.said, t.Labels, t.Labels),
	}
}

// word is the testimony of one span, with its labels interned.
type word struct {
	clientspan.Testimony

	labels *span.Labels
}

// intern returns the value kept for a key, or keeps this one.
func intern[K comparable, V any](known map[K]*V, key K, value V) *V {
	if known[key] == nil {
		known[key] = &value
	}
	return known[key]
}

// complete adds what the load itself said to an attempt.
func (l *load) complete(a *span.Attempt) {
	w := l.words[clientID{a.TraceID, a.SpanID}]
	if w == nil {
		return
	}
	w.Apply(a)
	a.Labels = w.labels
	if len(w.Marks) > 0 {
		a.Marks = intern(l.marks, fmt.Sprint(w.Marks), span.Marks{List: w.Marks})
	}
}
