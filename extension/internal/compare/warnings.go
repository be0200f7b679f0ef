package compare

import (
	"maps"
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// warnings says in what the conditions of two runs differ. What one of them does
// not record is not compared, except for the plan and the options: none is a
// condition too.
func warnings(base, head *side) []Warning {
	b, h := &base.report.Run, &head.report.Run
	var list []Warning
	for _, p := range []struct {
		what, base, head string
		optional         bool
	}{
		{"script", script(b), script(h), true},
		{"plan", b.Plan, h.Plan, false},
		{"sampling", b.Sampling, h.Sampling, true},
		{"source", b.Source, h.Source, true},
		{"k6 version", b.K6Version, h.K6Version, true},
		{"extension version", b.Version, h.Version, true},
	} {
		if p.base != p.head && (!p.optional || p.base != "" && p.head != "") {
			list = append(list, Warning{Run: head.label, What: p.what, Base: p.base, Head: p.head})
		}
	}
	keys := make(map[string]bool)
	for k := range b.Options {
		keys[k] = true
	}
	for k := range h.Options {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if b.Options[k] != h.Options[k] {
			list = append(list, Warning{
				Run: head.label, What: "option " + k, Base: b.Options[k], Head: h.Options[k],
			})
		}
	}
	return list
}

// script identifies a script by the hash of its text where that is known.
func script(r *report.Run) string {
	if r.ScriptHash != "" {
		return r.ScriptHash
	}
	return r.Script
}
