package toxics

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// rule is one toxic in a hub.
type rule struct {
	name, kind, mode string
	proxy, phase     string
	given            map[string]json.RawMessage // the attributes, by name
	picker           *picker
	fault            fault
	counts           *counts
	base             Counts    // of its counters when it came in
	entry            ledgerKey // where it counts
}

func attributeMap(kind string, attributes json.RawMessage) (map[string]json.RawMessage, error) {
	given := make(map[string]json.RawMessage)
	if len(attributes) == 0 {
		return given, nil
	}
	if err := json.Unmarshal(attributes, &given); err != nil {
		return nil, fmt.Errorf("%s: attributes must be an object, got %s",
			kind, clipJSON(attributes))
	}
	if given == nil { // it said null
		given = make(map[string]json.RawMessage)
	}
	return given, nil
}

func newRule(name, kind string, given map[string]json.RawMessage) (*rule, error) {
	var selector Selector
	f, err := newFault(kind)
	if err != nil {
		return nil, err
	}
	if err := decode(kind, given, f, &selector); err != nil {
		return nil, err
	}
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if err := selector.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return &rule{
		name: name, kind: kind, mode: f.mode(), phase: selector.Phase, given: given,
		entry:  ledgerKey{kind, name, selector.Phase},
		picker: newPicker(selector, name), fault: f, counts: &counts{},
	}, nil
}

// mark is the value of the X-Toxic header that a rule leaves. Names are
// percent-encoded, as they may be any text.
func (r *rule) mark(mode string) string {
	clean := func(s string) string {
		return strings.Map(func(c rune) rune {
			if c < ' ' || c > '~' || c == ';' || c == ',' {
				return '_'
			}
			return c
		}, s)
	}
	mark := r.kind + "; mode=" + clean(mode) + "; name=" + url.PathEscape(r.entry.name)
	if r.proxy != "" {
		mark += "; proxy=" + url.PathEscape(r.proxy)
	}
	if r.entry.phase != "" {
		mark += "; phase=" + url.QueryEscape(r.entry.phase)
	}
	return mark
}
