package collector

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// testimony is what the load's CLIENT spans of one batch say beyond the fields
// of a record, by span id.
type testimony map[tracecontext.SpanID]word

// word is the testimony of one span. Labels and marks are interned.
type word struct {
	labels    *span.Labels
	marks     *span.Marks
	errorType string
	outcome   span.Outcome
	decided   bool // whether the span says how far the request got
	number    uint16
	sends     uint16
}

// maxInterned bounds the interned labels and marks; beyond it they are started
// anew, as endless distinct names would otherwise fill the memory.
const maxInterned = 20_000

// reader reads testimonies. It is not safe for concurrent use.
type reader struct {
	service string // of the load; empty for the traced client's scope
	labels  map[span.Labels]*span.Labels
	marks   map[string]*span.Marks
	tests   map[string]*string
}

func newReader(service string) *reader {
	return &reader{
		service: service, labels: make(map[span.Labels]*span.Labels),
		marks: make(map[string]*span.Marks), tests: make(map[string]*string),
	}
}

// read finds the load's CLIENT spans; nil when a batch has none.
func (r *reader) read(td ptrace.Traces) testimony {
	var out testimony
	for _, rs := range td.ResourceSpans().All() {
		resource := rs.Resource().Attributes()
		if r.service != "" && text(resource, "service.name") != r.service {
			continue
		}
		test := r.test(resource)
		for _, ss := range rs.ScopeSpans().All() {
			if r.service != "" || ss.Scope().Name() == clientspan.Scope {
				out = r.add(out, ss.Spans(), test)
			}
		}
	}
	return out
}

// add reads the CLIENT spans of one scope.
func (r *reader) add(to testimony, spans ptrace.SpanSlice, test *string) testimony {
	for _, s := range spans.All() {
		if s.Kind() != ptrace.SpanKindClient {
			continue
		}
		if to == nil {
			to = make(testimony)
		}
		to[tracecontext.SpanID(s.SpanID())] = r.word(s, test)
	}
	return to
}

// test is the test that the load says it belongs to, interned.
func (r *reader) test(resource pcommon.Map) *string {
	id := text(resource, "testid")
	if id == "" {
		id = text(resource, "testrun_name")
	}
	if r.tests[id] == nil {
		if len(r.tests) >= maxInterned {
			clear(r.tests)
		}
		r.tests[id] = &id
	}
	return r.tests[id]
}

func (r *reader) word(s ptrace.Span, test *string) word {
	a := s.Attributes()
	labels := span.Labels{
		Phase: text(a, clientspan.Phase), Scenario: text(a, clientspan.Scenario),
		Name: text(a, clientspan.Name), Method: text(a, "http.request.method"),
		Service: text(a, clientspan.Peer), Tags: test,
	}
	if labels.Name == "" {
		labels.Name = s.Name()
	}
	w := word{
		labels: intern(r.labels, labels, func() *span.Labels { return &labels }),
		marks:  r.mark(a), errorType: text(a, clientspan.ErrorType),
		number: count(a, clientspan.Number), sends: count(a, clientspan.Sends),
	}
	w.outcome, w.decided = clientspan.ParseOutcome(text(a, clientspan.Outcome))
	return w
}

func (r *reader) mark(a pcommon.Map) *span.Marks {
	v, ok := a.Get(clientspan.Toxics)
	if !ok || v.Type() != pcommon.ValueTypeSlice || v.Slice().Len() == 0 {
		return nil
	}
	return intern(r.marks, v.AsString(), func() *span.Marks {
		marks := &span.Marks{}
		for _, one := range v.Slice().All() {
			marks.List = append(marks.List, clientspan.ParseMark(one.AsString()))
		}
		return marks
	})
}

// intern returns the value kept for a key, or keeps a new one.
func intern[K comparable, V any](known map[K]*V, key K, build func() *V) *V {
	if v := known[key]; v != nil {
		return v
	}
	if len(known) >= maxInterned {
		clear(known)
	}
	known[key] = build()
	return known[key]
}

func text(a pcommon.Map, key string) string {
	v, ok := a.Get(key)
	if !ok || v.Type() != pcommon.ValueTypeStr {
		return ""
	}
	return v.Str()
}

// count reads a small number; 0 when there is none.
func count(a pcommon.Map, key string) uint16 {
	v, ok := a.Get(key)
	if !ok || v.Type() != pcommon.ValueTypeInt {
		return 0
	}
	return uint16(max(0, min(v.Int(), 1<<16-1))) //nolint:gosec // clamped
}

// apply completes an attempt with the testimony of its span.
func (w word) apply(a *span.Attempt) {
	a.Labels, a.Marks, a.ErrorType = w.labels, w.marks, w.errorType
	if w.decided {
		a.Outcome = w.outcome
	}
	a.Number, a.Sends = max(a.Number, w.number), max(a.Sends, w.sends)
}
