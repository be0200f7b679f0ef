package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// Toxic is one toxic on one proxy.
type Toxic struct {
	Proxy      string         `json:"proxy"`
	Name       string         `json:"name,omitempty"` // default: the type
	Type       string         `json:"type"`
	Stream     string         `json:"stream,omitempty"` // toxiproxy's own only
	Toxicity   *float32       `json:"toxicity,omitempty"` // share of connections, ditto
	Attributes map[string]any `json:"attributes,omitempty"`
}

// PlanPhase is a part of a plan: its toxics are in for its duration.
type PlanPhase struct {
	Name     string
	Duration time.Duration
	Toxics   []Toxic
}

// Plan is an ordered list of phases. Its JSON form is described by
// toxics/plans/plan.schema.json.
type Plan struct {
	Name   string
	Phases []PlanPhase
}

type planFile struct {
	Schema string      `json:"$schema"`
	Name   string      `json:"name"`
	Phases []phaseFile `json:"phases"`
}

type phaseFile struct {
	Name     string  `json:"name"`
	Duration string  `json:"duration"`
	Toxics   []Toxic `json:"toxics"`
}

// ParsePlan reads a plan strictly: unknown fields, wrong types and values out
// of range are errors that name the path in the plan and what is accepted.
func ParsePlan(text []byte) (*Plan, error) {
	var file planFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		if typeError, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("parsing plan: %s must be a %s, got a %s",
				typeError.Field, typeError.Type, typeError.Value)
		}
		return nil, fmt.Errorf("parsing plan: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("parsing plan: there is text behind the plan")
	}
	plan := &Plan{Name: file.Name}
	for i, phase := range file.Phases {
		path := fmt.Sprintf("phases[%d]", i)
		duration, err := time.ParseDuration(phase.Duration)
		if err != nil || duration <= 0 {
			return nil, fmt.Errorf(
				`parsing plan: %s.duration must be a duration above 0 such as "10s", got %q`,
				path,
				phase.Duration,
			)
		}
		plan.Phases = append(
			plan.Phases,
			PlanPhase{Name: phase.Name, Duration: duration, Toxics: phase.Toxics},
		)
	}
	return plan, plan.check()
}

// check finds what is wrong with the plan itself.
func (p *Plan) check() error {
	if p.Name == "" {
		return errors.New("parsing plan: name must not be empty")
	}
	if len(p.Phases) == 0 {
		return errors.New("parsing plan: phases must have at least one phase")
	}
	seen := make(map[string]bool)
	for i := range p.Phases {
		phase := &p.Phases[i]
		if phase.Name == "" || seen[phase.Name] {
			return fmt.Errorf(
				"parsing plan: phases[%d].name must be new and not empty, got %q",
				i,
				phase.Name,
			)
		}
		seen[phase.Name] = true
		names := make(map[string]bool)
		for j := range phase.Toxics {
			t := &phase.Toxics[j]
			path := fmt.Sprintf("phases[%d].toxics[%d]", i, j)
			if err := t.check(); err != nil {
				return fmt.Errorf("parsing plan: %s: %w", path, err)
			}
			if key := t.Proxy + "/" + t.Name; names[key] {
				return fmt.Errorf(
					"parsing plan: %s.name must be unique for its proxy and phase, got %q",
					path,
					t.Name,
				)
			}
			names[t.Proxy+"/"+t.Name] = true
		}
	}
	return nil
}

// Validate checks that every proxy of the plan is among those that exist.
func (p *Plan) Validate(proxies []string) error {
	for i, phase := range p.Phases {
		for j, t := range phase.Toxics {
			if !slices.Contains(proxies, t.Proxy) {
				return fmt.Errorf(
					"phases[%d].toxics[%d].proxy must be one of the proxies %q, got %q",
					i,
					j,
					proxies,
					t.Proxy,
				)
			}
		}
	}
	return nil
}

// check validates one toxic and fills its defaults.
func (t *Toxic) check() error {
	if t.Proxy == "" {
		return errors.New("proxy must name a proxy, got nothing")
	}
	if t.Name == "" {
		t.Name = t.Type
	}
	attributes, err := t.attributes()
	if err != nil {
		return err
	}
	if toxics.IsHTTP(t.Type) {
		if t.Stream != "" || t.Toxicity != nil {
			return fmt.Errorf(
				"stream and toxicity are for toxiproxy's own toxics; %s has selectors",
				t.Type,
			)
		}
		return toxics.Validate(t.Type, attributes)
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
	return t.checkOwn()
}

func (t *Toxic) attributes() (json.RawMessage, error) {
	if t.Attributes == nil {
		return json.RawMessage("{}"), nil
	}
	text, err := json.Marshal(t.Attributes)
	if err != nil {
		return nil, fmt.Errorf("attributes must be JSON: %w", err)
	}
	return text, nil
}

// ownAttributes are toxiproxy's own toxics with their attributes, all of them
// whole numbers.
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

func (t *Toxic) checkOwn() error {
	accepted, ok := ownAttributes()[t.Type]
	if !ok {
		types := toxics.Types()
		for name := range ownAttributes() {
			types = append(types, name)
		}
		slices.Sort(types)
		return fmt.Errorf("type must be one of %s, got %q", strings.Join(types, ", "), t.Type)
	}
	for name, value := range t.Attributes {
		if !slices.Contains(accepted, name) {
			return fmt.Errorf("attributes.%s is not an attribute of %s; accepted are %s",
				name, t.Type, strings.Join(accepted, ", "))
		}
		if !wholeNumber(value) {
			return fmt.Errorf(
				"attributes.%s must be a whole number, 0 or more, got %v",
				name,
				value,
			)
		}
	}
	return nil
}

func wholeNumber(value any) bool {
	switch n := value.(type) {
	case float64:
		return n >= 0 && n == float64(int64(n))
	case int64:
		return n >= 0
	case int:
		return n >= 0
	default:
		return false
	}
}
