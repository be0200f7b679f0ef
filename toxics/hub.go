package toxics

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// Hub holds the HTTP toxics of one proxy. It is safe for concurrent use, and
// its toxics may be added, updated and removed under load.
type Hub struct {
	id    string
	mu    sync.Mutex // of changes to rules and ledger
	rules atomic.Pointer[[]*rule]
	// ledger holds the counters of every toxic that is in or was in. One that comes
	// again goes on with them.
	ledger map[ledgerKey]*ledgerEntry

	pairing     sync.Mutex
	unclaimed   *link
	connections *connections // of the proxy

	opaque   atomic.Uint64 // connections that were not HTTP/1.1
	unpaired atomic.Uint64 // connections that were open before the hub
}

// rule is one toxic in a hub.
type rule struct {
	name, kind, mode string
	phase            string
	given            map[string]json.RawMessage // the attributes, by name
	picker           *picker
	fault            fault
	counts           *counts
	base             Counts // of its counters when it came in
}

// counts outlive updates and removals of their toxic, so that requests which
// are under way then are not lost to them.
type counts struct {
	seen, selected, injected, errors atomic.Uint64
	lastError                        atomic.Pointer[string]
}

// fail counts a call of a script that failed.
func (c *counts) fail(err error) {
	message := err.Error()
	c.lastError.Store(&message)
	c.errors.Add(1)
}

// ledgerKey tells toxics apart: what one counts in a phase is not mixed with what
// the same one counts in another, even when requests were under way in between.
type ledgerKey struct{ kind, name, phase string }

type ledgerEntry struct {
	mode   string
	counts counts
}

// Counts are what one toxic has counted. PassedThrough and Unpaired are the
// same for all toxics of a hub and count from the hub's start.
type Counts struct {
	Seen          uint64 `json:"seen"`             // requests that passed while the toxic was in
	Selected      uint64 `json:"selected"`         // of those, chosen by the selector
	Injected      uint64 `json:"injected"`         // of those, where the fault took place
	PassedThrough uint64 `json:"passed_through"`   // connections that were not HTTP/1.1
	Unpaired      uint64 `json:"unpaired"`         // connections that were open before the hub
	Errors        uint64 `json:"errors,omitempty"` // calls of a script that failed
}

// Counters are the counts of one toxic with its name.
type Counters struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Mode  string `json:"mode"`
	Phase string `json:"phase,omitempty"` // of the plan that put it in
	Counts
}

// Toxic is a toxic that is in a hub, with all of its attributes.
type Toxic struct {
	Name, Type string
	Attributes json.RawMessage
	Counts     Counts
	LastError  string // of a script; empty for none
}

// hubs finds a hub by the id in the attributes of its halves: toxiproxy makes
// toxics from their JSON and gives nothing else to them.
var hubs sync.Map //nolint:gochecknoglobals // toxiproxy's registry of toxic types is global as well

// NewHub returns an empty hub that its two halves find by id.
func NewHub(id string) *Hub {
	h := &Hub{id: id, ledger: make(map[ledgerKey]*ledgerEntry)}
	h.rules.Store(&[]*rule{})
	hubs.Store(id, h)
	return h
}

// Close forgets the hub. Connections that use it go on.
func (h *Hub) Close() { hubs.Delete(h.id) }

// Install puts the hub into a proxy, before the proxy's first connection.
func (h *Hub) Install(proxy *toxiproxy.Proxy) error {
	found, err := connectionsOf(proxy)
	if err != nil {
		return fmt.Errorf("installing the HTTP toxics in proxy %q: %w", proxy.Name, err)
	}
	h.pairing.Lock()
	h.connections = found
	h.pairing.Unlock()
	for _, half := range [][2]string{{requestType, "upstream"}, {responseType, "downstream"}} {
		text := fmt.Appendf(nil, `{"name":%q,"type":%q,"stream":%q,"attributes":{"hub":%q}}`,
			half[0], half[0], half[1], h.id)
		if _, err := proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("installing the HTTP toxics in proxy %q: %w", proxy.Name, err)
		}
	}
	return nil
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

// IsHalf reports whether a toxic type is one half of a hub.
func IsHalf(kind string) bool { return kind == requestType || kind == responseType }

// Validate checks the attributes of a toxic without adding it. Errors name the
// attribute, the value and what is accepted.
func Validate(kind string, attributes json.RawMessage) error {
	given, err := attributeMap(kind, attributes)
	if err != nil {
		return err
	}
	_, err = newRule("", kind, given)
	return err
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
		picker: newPicker(selector, name), fault: f, counts: &counts{},
	}, nil
}

// Add puts in a toxic; its name must be new.
func (h *Hub) Add(name, kind string, attributes json.RawMessage) error {
	given, err := attributeMap(kind, attributes)
	if err != nil {
		return err
	}
	added, err := newRule(name, kind, given)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.index(name) >= 0 {
		return fmt.Errorf("toxic %q already exists", name)
	}
	entry := h.ledger[added.key()]
	if entry == nil {
		entry = &ledgerEntry{}
		h.ledger[added.key()] = entry
	}
	entry.mode = added.mode
	added.counts = &entry.counts
	added.base = h.read(added.counts)
	h.replace(append(slices.Clone(*h.rules.Load()), added))
	return nil
}

// Update replaces all attributes of a toxic. Its counters go on; the sequence of
// its selector starts anew.
func (h *Hub) Update(name string, attributes json.RawMessage) error {
	return h.change(name, attributes, func(*rule) map[string]json.RawMessage {
		return make(map[string]json.RawMessage)
	})
}

// Merge replaces the attributes of a toxic that are given and keeps the others;
// null takes one back to its default. Counters and selector are as in Update.
func (h *Hub) Merge(name string, attributes json.RawMessage) error {
	return h.change(name, attributes, func(r *rule) map[string]json.RawMessage {
		return maps.Clone(r.given)
	})
}

func (h *Hub) change(
	name string, attributes json.RawMessage, start func(*rule) map[string]json.RawMessage,
) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.index(name)
	if i < 0 {
		return fmt.Errorf("toxic %q does not exist", name)
	}
	changed := slices.Clone(*h.rules.Load())
	old := changed[i]
	given, err := attributeMap(old.kind, attributes)
	if err != nil {
		return err
	}
	all := start(old)
	for key, value := range given {
		if all[key] = value; string(value) == "null" {
			delete(all, key)
		}
	}
	updated, err := newRule(name, old.kind, all)
	if err != nil {
		return err
	}
	updated.counts, updated.base, updated.phase = old.counts, old.base, old.phase
	h.ledger[updated.key()].mode = updated.mode
	changed[i] = updated
	h.replace(changed)
	return nil
}

// replace publishes a new list of rules. The lock is held.
func (h *Hub) replace(rules []*rule) { h.rules.Store(&rules) }

// Remove takes a toxic out and returns its counters. Requests that are under way
// may still add to what [Hub.Totals] tells of it.
func (h *Hub) Remove(name string) (Counters, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.index(name)
	if i < 0 {
		return Counters{}, fmt.Errorf("toxic %q does not exist", name)
	}
	rules := *h.rules.Load()
	removed := rules[i]
	h.replace(slices.Delete(slices.Clone(rules), i, i+1))
	return h.counters(removed), nil
}

func (h *Hub) index(name string) int {
	return slices.IndexFunc(*h.rules.Load(), func(r *rule) bool { return r.name == name })
}

// Toxics lists the toxics that are in, in the order in which they act.
func (h *Hub) Toxics() []Toxic {
	rules := *h.rules.Load()
	out := make([]Toxic, 0, len(rules))
	for _, r := range rules {
		out = append(out, h.toxic(r))
	}
	return out
}

// Toxic finds a toxic that is in.
func (h *Hub) Toxic(name string) (Toxic, bool) {
	rules := *h.rules.Load()
	i := slices.IndexFunc(rules, func(r *rule) bool { return r.name == name })
	if i < 0 {
		return Toxic{}, false
	}
	return h.toxic(rules[i]), true
}

func (h *Hub) toxic(r *rule) Toxic {
	out := Toxic{
		Name: r.name, Type: r.kind, Attributes: r.attributes(), Counts: h.counters(r).Counts,
	}
	if message := r.counts.lastError.Load(); message != nil && out.Counts.Errors > 0 {
		out.LastError = *message
	}
	return out
}

// Counters lists what the toxics that are in have counted since they came in.
func (h *Hub) Counters() []Counters {
	rules := *h.rules.Load()
	out := make([]Counters, 0, len(rules))
	for _, r := range rules {
		out = append(out, h.counters(r))
	}
	return out
}

func (h *Hub) counters(r *rule) Counters {
	now := h.read(r.counts)
	now.Seen -= r.base.Seen
	now.Selected -= r.base.Selected
	now.Injected -= r.base.Injected
	now.Errors -= r.base.Errors
	return Counters{Name: r.name, Type: r.kind, Mode: r.mode, Phase: r.phase, Counts: now}
}

// Totals lists what all toxics that are in or were in have counted, each over
// all the times that it was in for one phase, ordered by name, type and phase.
func (h *Hub) Totals() []Counters {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Counters, 0, len(h.ledger))
	for key, entry := range h.ledger {
		out = append(out, Counters{
			Name: key.name, Type: key.kind, Mode: entry.mode, Phase: key.phase,
			Counts: h.read(&entry.counts),
		})
	}
	slices.SortFunc(out, func(a, b Counters) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type),
			strings.Compare(a.Phase, b.Phase))
	})
	return out
}

// read reads the parts in the order that never shows more injected than
// selected, nor more selected than seen.
func (h *Hub) read(c *counts) Counts {
	out := Counts{Injected: c.injected.Load(), Errors: c.errors.Load()}
	out.Selected = c.selected.Load()
	out.Seen = c.seen.Load()
	out.PassedThrough, out.Unpaired = h.opaque.Load(), h.unpaired.Load()
	return out
}

// exchange decides the fate of one request: the rules that hit it.
func (h *Hub) exchange(l *link, part *httpstream.Part) *exchange {
	x := &exchange{
		link: l, head: part.Head, method: part.Head.Method(), bodyless: part.Last,
	}
	for _, r := range *h.rules.Load() {
		r.counts.seen.Add(1)
		if key, hit := r.picker.pick(part.Head); hit {
			r.counts.selected.Add(1)
			r.fault.request(x, r, key)
		}
	}
	x.sendOn()
	if x.abort {
		// A client that waits with the body may send it or not: only it knows
		// whether the connection can go on.
		x.closing = !x.head.KeepsAlive() || x.head.Has("Expect", "100-continue")
	}
	return x
}

func (r *rule) key() ledgerKey { return ledgerKey{r.kind, r.name, r.phase} }

// mark is the value of the X-Toxic header that a rule leaves. The phase is
// percent-encoded, as its name may be any text.
func (r *rule) mark(mode string) string {
	clean := func(s string) string {
		return strings.Map(func(c rune) rune {
			if c < ' ' || c > '~' || c == ';' || c == ',' {
				return '_'
			}
			return c
		}, s)
	}
	mark := r.kind + "; mode=" + clean(mode) + "; name=" + clean(r.name)
	if r.phase != "" {
		mark += "; phase=" + url.QueryEscape(r.phase)
	}
	return mark
}
