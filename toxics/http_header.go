package toxics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// headerFault is http_header: it edits header lines.
type headerFault struct {
	On     string            `json:"on"`               // "request" (default) or "response"
	Remove []string          `json:"remove,omitempty"` // names
	Set    map[string]string `json:"set,omitempty"`    // names and values
	Mangle []string          `json:"mangle,omitempty"` // names; their values keep their length
	// MangleAs is what becomes of the values: "ids" (default), "parent", "flags" or
	// "invalid"; see mangler.
	MangleAs string `json:"mangle_as,omitempty"`
}

func (f *headerFault) validate() error {
	if len(f.Remove)+len(f.Set)+len(f.Mangle) == 0 {
		return errors.New("remove, set or mangle must name a header, got none")
	}
	for _, name := range f.Remove {
		if err := checkHeader("remove", name, ""); err != nil {
			return err
		}
	}
	for _, name := range f.Mangle {
		if err := checkHeader("mangle", name, ""); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Set)) {
		if err := checkHeader("set", name, f.Set[name]); err != nil {
			return err
		}
	}
	if err := f.validateMangle(); err != nil {
		return err
	}
	return oneOf("on", f.On, "request", "response")
}

func (f *headerFault) validateMangle() error {
	if f.MangleAs == "" {
		return nil
	}
	if err := oneOf("mangle_as", f.MangleAs, "ids", "parent", "flags", "invalid"); err != nil {
		return err
	}
	for _, name := range f.Mangle {
		general := f.MangleAs == "ids" || f.MangleAs == "invalid"
		if !general && !strings.EqualFold(name, "traceparent") {
			return fmt.Errorf("mangle_as %q is for mangle [traceparent], got %q", f.MangleAs, name)
		}
	}
	if len(f.Mangle) == 0 {
		return fmt.Errorf("mangle_as says how to mangle, and mangle names no header, got %q",
			f.MangleAs)
	}
	return nil
}

func (f *headerFault) mode() string { return f.On }

func (f *headerFault) request(x *exchange, r *rule, _ uint64) {
	if f.On == "response" {
		x.editResponse = append(x.editResponse, func(h *httpstream.Head) {
			if f.edit(h) {
				x.inject(r, "response")
			}
		})
		return
	}
	x.editRequest = append(x.editRequest, func(h *httpstream.Head) {
		before := contextOf(h)
		if f.edit(h) {
			x.inject(r, before.change(h))
		}
	})
}

// edit reports whether it changed anything.
func (f *headerFault) edit(h *httpstream.Head) bool {
	changed := false
	for _, name := range f.Remove {
		changed = h.Remove(name) || changed
	}
	for _, name := range f.Mangle {
		value, _ := h.Get(name)
		if mangled := mangle(value, f.MangleAs); mangled != value {
			h.Set(name, mangled)
			changed = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Set)) {
		if value, ok := h.Get(name); !ok || value != f.Set[name] {
			h.Set(name, f.Set[name])
			changed = true
		}
	}
	return changed
}
