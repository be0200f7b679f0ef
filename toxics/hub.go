package toxics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// Hub holds the HTTP toxics of one proxy. It is safe for concurrent use, and
// its toxics may be added, updated and removed under load.
type Hub struct {
	id     string
	mu     sync.Mutex // of the proxy's name, and changes to rules and ledger
	proxy  string
	rules  atomic.Pointer[[]*rule]
	ledger map[ledgerKey]*ledgerEntry

	pairing     sync.Mutex
	unclaimed   *link
	connections *connections // of the proxy

	opaque   atomic.Uint64 // connections that were not HTTP/1.1
	unpaired atomic.Uint64 // connections that were open before the hub
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

// Install puts the hub into a proxy, before the proxy's first connection. The hub
// acts before toxiproxy's own toxics on requests and on responses.
func (h *Hub) Install(proxy *toxiproxy.Proxy) error {
	found, err := connectionsOf(proxy)
	if err != nil {
		return fmt.Errorf("installing the HTTP toxics in proxy %q: %w", proxy.Name, err)
	}
	h.pairing.Lock()
	h.connections = found
	h.pairing.Unlock()
	h.mu.Lock()
	h.proxy = proxy.Name
	h.mu.Unlock()
	switch first, err := h.takeFirst(proxy.Toxics); {
	case err != nil:
		return fmt.Errorf("installing the HTTP toxics in proxy %q: %w", proxy.Name, err)
	case first:
		return nil
	}
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
	h.enter(added)
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
	updated.counts, updated.base = old.counts, old.base
	updated.proxy, updated.phase, updated.entry = old.proxy, old.phase, old.entry
	h.ledger[updated.entry].mode = updated.mode
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

// exchange decides the fate of one request: the rules that hit it. The spare one, if
// any, is used for it.
func (h *Hub) exchange(l *link, part *httpstream.Part, spare *exchange) *exchange {
	x := spare
	if x == nil {
		x = new(exchange)
	}
	*x = exchange{
		link: l, head: *part.Head, method: part.Head.Method(), bodyless: part.Last,
	}
	for _, r := range *h.rules.Load() {
		r.counts.add(eventSeen)
		if key, hit := r.picker.pick(&x.head); hit {
			r.counts.add(eventSelected)
			x.chosen = true
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
