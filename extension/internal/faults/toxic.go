package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// Toxic is one toxic on one proxy.
type Toxic struct {
	Proxy      string         `json:"proxy"`
	Name       string         `json:"name,omitempty"` // default: the type
	Type       string         `json:"type"`
	Stream     string         `json:"stream,omitempty"`   // toxiproxy's own only
	Toxicity   *float32       `json:"toxicity,omitempty"` // share of connections, ditto
	Attributes map[string]any `json:"attributes,omitempty"`
}

// check validates one toxic and fills its defaults.
func (t *Toxic) check() error {
	if t.Proxy == "" {
		return errors.New("proxy must name a proxy, got nothing")
	}
	if t.Name == "" {
		t.Name = t.Type
	}
	if !toxics.IsHTTP(t.Type) {
		return t.checkOwn()
	}
	if t.Stream != "" || t.Toxicity != nil {
		return fmt.Errorf("stream and toxicity are for toxiproxy's own toxics; %s has the "+
			"attributes probability, every, first, match and limit", t.Type)
	}
	attributes := json.RawMessage("{}")
	if t.Attributes != nil {
		text, err := json.Marshal(t.Attributes)
		if err != nil {
			return fmt.Errorf("attributes must be JSON: %w", err)
		}
		attributes = text
	}
	return toxics.Validate(t.Type, attributes)
}

// in is the toxic for one phase of a plan: an HTTP toxic counts and marks under it.
func (t *Toxic) in(phase string) Toxic {
	out := *t
	if toxics.IsHTTP(t.Type) {
		out.Attributes = maps.Clone(t.Attributes)
		if out.Attributes == nil {
			out.Attributes = make(map[string]any)
		}
		out.Attributes["phase"] = phase
	}
	return out
}

// ownAttributes are toxiproxy's own toxics with their attributes, all of them
// whole numbers (https://github.com/Shopify/toxiproxy#toxics).
func ownAttributes() map[string][]string {
	return map[string][]string{
		"latency":    {"latency", "jitter"},
		"bandwidth":  {"rate"},
		"slow_close": {"delay"},
		"timeout":    {"timeout"},
		"reset_peer": {"timeout"},
		"slicer":     {"average_size", "size_variation", "delay"},
		"limit_data": {"bytes"},
	}
}

// checkOwn validates one of toxiproxy's own toxics.
func (t *Toxic) checkOwn() error {
	accepted, ok := ownAttributes()[t.Type]
	if !ok {
		types := slices.Concat(toxics.Types(), slices.Collect(maps.Keys(ownAttributes())))
		slices.Sort(types)
		return fmt.Errorf("type must be one of %s, got %q", strings.Join(types, ", "), t.Type)
	}
	if t.Stream == "" {
		t.Stream = "downstream"
	}
	if t.Stream != "upstream" && t.Stream != "downstream" {
		return fmt.Errorf("stream must be upstream or downstream, got %q", t.Stream)
	}
	if t.Toxicity != nil && !(*t.Toxicity >= 0 && *t.Toxicity <= 1) {
		return fmt.Errorf("toxicity must be between 0 and 1, got %v", *t.Toxicity)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Attributes)) {
		if !slices.Contains(accepted, name) {
			return fmt.Errorf("attributes.%s is not an attribute of %s; accepted are %s",
				name, t.Type, strings.Join(accepted, ", "))
		}
		if value := t.Attributes[name]; !wholeNumber(value) {
			return fmt.Errorf("attributes.%s must be a whole number, 0 or more, got %v",
				name, value)
		}
	}
	return nil
}

// maxWhole is the largest number that JSON and JavaScript keep exactly.
const maxWhole = 1 << 53

func wholeNumber(value any) bool {
	switch n := value.(type) {
	case float64:
		return n >= 0 && n <= maxWhole && n == math.Trunc(n)
	case int64:
		return n >= 0 && n <= maxWhole
	case int:
		return n >= 0 && n <= maxWhole
	default:
		return false
	}
}
