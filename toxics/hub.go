package toxics

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// Hub holds the HTTP toxics of one proxy. It is safe for concurrent use, and
// its toxics may be added, updated and removed under load.
type Hub struct {
	id    string
	mu    sync.Mutex // of changes to rules
	rules atomic.Pointer[[]*rule]

	pairing   sync.Mutex
	unclaimed *link

	opaque   atomic.Uint64 // connections that were not HTTP/1.1
	unpaired atomic.Uint64 // connections that were open before the hub
}

// rule is one toxic in a hub.
type rule struct {
	name, kind, mode string
	picker           *picker
	fault            fault
	counts           *counts
}

// counts outlive updates of their toxic.
type counts struct{ seen, selected, injected atomic.Uint64 }

// Counters are what one toxic has counted so far.
type Counters struct {
	Name          string `json:"name"`
	Type          string `json:"type"`
	Mode          string `json:"mode"`
	Seen          uint64 `json:"seen"`           // requests that passed while the toxic was in
	Selected      uint64 `json:"selected"`       // of those, chosen by the selector
	Injected      uint64 `json:"injected"`       // of those, where the fault took place
	PassedThrough uint64 `json:"passed_through"` // connections of the hub that were not HTTP/1.1
	Unpaired      uint64 `json:"unpaired"`       // connections that were open before the hub
}

// hubs finds a hub by the id in the attributes of its halves: toxiproxy makes
// toxics from their JSON and gives nothing else to them.
var hubs sync.Map //nolint:gochecknoglobals // toxiproxy's registry of toxic types is global as well

// NewHub returns an empty hub that its two halves find by id.
func NewHub(id string) *Hub {
	h := &Hub{id: id}
	h.rules.Store(&[]*rule{})
	hubs.Store(id, h)
	return h
}

// Close forgets the hub. Connections that use it go on.
func (h *Hub) Close() { hubs.Delete(h.id) }

// Halves returns the JSON of the two toxiproxy toxics that install the hub.
// Both have to be added before the proxy's first connection.
func (h *Hub) Halves() []json.RawMessage {
	out := make([]json.RawMessage, 0, 2)
	for _, half := range [][2]string{{requestType, "upstream"}, {responseType, "downstream"}} {
		out = append(out, fmt.Appendf(nil,
			`{"name":%q,"type":%q,"stream":%q,"attributes":{"hub":%q}}`, half[0], half[0], half[1], h.id))
	}
	return out
}

// Types lists the HTTP toxics.
func Types() []string {
	return []string{
		"http_status",
		"http_latency",
		"http_header",
		"http_reset",
		"http_body",
		"http_script",
	}
}

// IsHTTP reports whether a toxic type is one of ours.
func IsHTTP(kind string) bool { return slices.Contains(Types(), kind) }

// Validate checks the attributes of a toxic without adding it. Errors name the
// attribute, the value and what is accepted.
func Validate(kind string, attributes json.RawMessage) error {
	_, err := newRule("", kind, attributes)
	return err
}

func newRule(name, kind string, attributes json.RawMessage) (*rule, error) {
	if len(attributes) == 0 {
		attributes = json.RawMessage("{}")
	}
	var selector Selector
	f, err := newFault(kind)
	if err != nil {
		return nil, err
	}
	if err := decode(kind, attributes, f, &selector); err != nil {
		return nil, err
	}
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if err := selector.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return &rule{
		name:   name,
		kind:   kind,
		mode:   f.mode(),
		picker: newPicker(selector, name),
		fault:  f,
		counts: &counts{},
	}, nil
}

// Add puts in a toxic; its name must be new.
func (h *Hub) Add(name, kind string, attributes json.RawMessage) error {
	added, err := newRule(name, kind, attributes)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	current := *h.rules.Load()
	if h.index(name) >= 0 {
		return fmt.Errorf("toxic %q already exists", name)
	}
	changed := append(slices.Clone(current), added)
	h.rules.Store(&changed)
	return nil
}

// Update replaces the attributes of a toxic. Its counters go on; the sequence
// of its selector starts anew.
func (h *Hub) Update(name string, attributes json.RawMessage) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.index(name)
	if i < 0 {
		return fmt.Errorf("toxic %q does not exist", name)
	}
	changed := slices.Clone(*h.rules.Load())
	updated, err := newRule(name, changed[i].kind, attributes)
	if err != nil {
		return err
	}
	updated.counts = changed[i].counts
	changed[i] = updated
	h.rules.Store(&changed)
	return nil
}

// Remove takes a toxic out and returns its last counters.
func (h *Hub) Remove(name string) (Counters, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.index(name)
	if i < 0 {
		return Counters{}, fmt.Errorf("toxic %q does not exist", name)
	}
	changed := slices.Clone(*h.rules.Load())
	removed := changed[i]
	changed = slices.Delete(changed, i, i+1)
	h.rules.Store(&changed)
	return h.counters(removed), nil
}

func (h *Hub) index(name string) int {
	return slices.IndexFunc(*h.rules.Load(), func(r *rule) bool { return r.name == name })
}

// Counters lists what the toxics that are in have counted.
func (h *Hub) Counters() []Counters {
	rules := *h.rules.Load()
	out := make([]Counters, 0, len(rules))
	for _, r := range rules {
		out = append(out, h.counters(r))
	}
	return out
}

func (h *Hub) counters(r *rule) Counters {
	return Counters{
		Name: r.name, Type: r.kind, Mode: r.mode, Seen: r.counts.seen.Load(),
		Selected: r.counts.selected.Load(), Injected: r.counts.injected.Load(),
		PassedThrough: h.opaque.Load(), Unpaired: h.unpaired.Load(),
	}
}

// exchange decides the fate of one request: the rules that hit it.
func (h *Hub) exchange(head *httpstream.Head) *exchange {
	x := &exchange{method: head.Method(), head: head}
	for _, r := range *h.rules.Load() {
		r.counts.seen.Add(1)
		if r.picker.pick(head) {
			r.counts.selected.Add(1)
			x.hits = append(x.hits, r)
		}
	}
	for _, r := range x.hits {
		r.fault.request(x, r)
	}
	return x
}

// mark is the value of the X-Toxic header that a rule leaves.
func (r *rule) mark(mode string) string {
	clean := func(s string) string {
		return strings.Map(func(c rune) rune {
			if c < ' ' || c > '~' || c == ';' || c == ',' {
				return '_'
			}
			return c
		}, s)
	}
	return r.kind + "; mode=" + clean(mode) + "; name=" + clean(r.name)
}
