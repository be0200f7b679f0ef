package faults

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// MaxPhase bounds the duration of one phase.
const MaxPhase = 7 * 24 * time.Hour

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
	Schema string      `json:"$schema,omitempty"`
	Name   string      `json:"name"`
	Phases []phaseFile `json:"phases"`
}

type phaseFile struct {
	Name     string  `json:"name"`
	Duration string  `json:"duration"`
	Toxics   []Toxic `json:"toxics,omitempty"`
}

// ParsePlan reads a plan strictly: unknown fields, wrong types and values out
// of range are errors that name the path in the plan and what is accepted.
func ParsePlan(text []byte) (*Plan, error) {
	plan, err := parsePlan(text)
	if err != nil {
		return nil, fmt.Errorf("parsing plan: %w", err)
	}
	return plan, nil
}

func parsePlan(text []byte) (*Plan, error) {
	var file planFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		if typeError, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("%s must be a %s, got a %s",
				typeError.Field, typeError.Type, typeError.Value)
		}
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is text behind the plan")
	}
	plan := &Plan{Name: file.Name}
	for i, phase := range file.Phases {
		duration, err := time.ParseDuration(phase.Duration)
		if err != nil || duration <= 0 {
			return nil, fmt.Errorf(
				`phases[%d].duration must be a duration above 0 such as "10s", got %q`,
				i, phase.Duration)
		}
		if duration > MaxPhase {
			return nil, fmt.Errorf("phases[%d].duration must be at most %s, got %q",
				i, MaxPhase, phase.Duration)
		}
		plan.Phases = append(plan.Phases,
			PlanPhase{Name: phase.Name, Duration: duration, Toxics: phase.Toxics})
	}
	return plan, plan.check()
}

// check finds what is wrong with the plan itself.
func (p *Plan) check() error {
	if p.Name == "" {
		return errors.New("name must not be empty")
	}
	if len(p.Phases) == 0 {
		return errors.New("phases must have at least one phase")
	}
	seen := make(map[string]bool)
	for i := range p.Phases {
		phase := &p.Phases[i]
		if phase.Name == "" || seen[phase.Name] {
			return fmt.Errorf("phases[%d].name must be new and not empty, got %q", i, phase.Name)
		}
		seen[phase.Name] = true
		if err := phase.check(i); err != nil {
			return err
		}
	}
	return nil
}

func (p *PlanPhase) check(index int) error {
	names := make(map[[2]string]bool)
	for j := range p.Toxics {
		t := &p.Toxics[j]
		path := fmt.Sprintf("phases[%d].toxics[%d]", index, j)
		if err := t.check(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if names[[2]string{t.Proxy, t.Name}] {
			return fmt.Errorf("%s.name must be unique for its proxy and phase, got %q",
				path, t.Name)
		}
		names[[2]string{t.Proxy, t.Name}] = true
	}
	return nil
}

// Validate checks that every proxy of the plan is among those that exist, and
// that the controller's server has every toxic.
func (p *Plan) Validate(proxies []string, ctl Controller) error {
	for i, phase := range p.Phases {
		for j, t := range phase.Toxics {
			path := fmt.Sprintf("phases[%d].toxics[%d]", i, j)
			if !slices.Contains(proxies, t.Proxy) {
				return fmt.Errorf("%s.proxy must be one of the proxies %q, got %q",
					path, proxies, t.Proxy)
			}
			if err := ctl.Supports(t.Type); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return nil
}

// Duration is the time from the start of the first phase to the end of the last.
func (p *Plan) Duration() time.Duration { return p.end(len(p.Phases) - 1) }

// at is the phase that runs when so much of the plan has passed. After a plan whose last
// phase ends it is the number of phases.
func (p *Plan) at(elapsed time.Duration) int {
	var end time.Duration
	for i := range p.Phases {
		if end += p.Phases[i].Duration; elapsed < end || p.endless(i) {
			return i
		}
	}
	return len(p.Phases)
}

// endless tells the last phase, if it has no toxics that are to be taken out.
func (p *Plan) endless(index int) bool {
	return index == len(p.Phases)-1 && len(p.Phases[index].Toxics) == 0
}

// end is the time from the start of the plan to the end of a phase.
func (p *Plan) end(index int) (sum time.Duration) {
	for i := range p.Phases[:index+1] {
		sum += p.Phases[i].Duration
	}
	return sum
}

// Fingerprint is the same for equal plans, in 16 hexadecimal digits.
func (p *Plan) Fingerprint() string {
	text, err := json.Marshal(p)
	if err != nil {
		text = []byte(p.Name) // a parsed plan always encodes
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
