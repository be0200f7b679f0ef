package toxics

import (
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// Selector says which requests a toxic hits. Its fields stand beside the
// toxic's own attributes. Without any field it hits every request. Fields are
// combined: all that are set must agree.
type Selector struct {
	// Probability is the share of the matching requests, 0 to 1. The draw for the
	// n-th request of a method and target depends on the seed, these and n alone, so
	// the same seed and the same requests give the same choice, whatever the number
	// of connections and the order in which different requests arrive.
	Probability *float64 `json:"probability,omitempty"`
	// Every hits each n-th matching request.
	Every int `json:"every,omitempty"`
	// First hits the first n matching requests of each trace id and then lets pass.
	First int `json:"first,omitempty"`
	// Limit ends the toxic after so many requests.
	Limit int    `json:"limit,omitempty"`
	Match *Match `json:"match,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
	// Phase says for which phase of a plan the toxic is in. It chooses nothing: the
	// toxic counts under it, and its marks carry it. An update does not change it.
	Phase string `json:"phase,omitempty"`
}

// Match narrows a toxic down to some requests. Path and header values are
// globs as in Go's path.Match; all that is set must match.
type Match struct {
	Method string            `json:"method,omitempty"` // such as "GET"
	Path   string            `json:"path,omitempty"`   // without the query
	Header map[string]string `json:"header,omitempty"`
}

// validate reports the first field that is out of range.
func (s *Selector) validate() error {
	switch {
	case s.Probability != nil && !(*s.Probability >= 0 && *s.Probability <= 1):
		return fmt.Errorf("probability must be between 0 and 1, got %v", *s.Probability)
	case s.Every < 0:
		return fmt.Errorf("every must be 0 or more, got %d", s.Every)
	case s.First < 0:
		return fmt.Errorf("first must be 0 or more, got %d", s.First)
	case s.Limit < 0:
		return fmt.Errorf("limit must be 0 or more, got %d", s.Limit)
	case s.Match == nil:
		return nil
	}
	if _, err := path.Match(s.Match.Path, ""); err != nil {
		return fmt.Errorf("match.path must be a glob, got %q", s.Match.Path)
	}
	for name, glob := range s.Match.Header {
		if !isToken(name) {
			return fmt.Errorf("match.header must have header names, got %q", name)
		}
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("match.header.%s must be a glob, got %q", name, glob)
		}
	}
	return nil
}

func (m *Match) matches(h *httpstream.Head) bool {
	if m == nil {
		return true
	}
	if m.Method != "" && !strings.EqualFold(m.Method, h.Method()) {
		return false
	}
	if m.Path != "" {
		target, _ := splitTarget(h.Target())
		if ok, _ := path.Match(m.Path, target); !ok {
			return false
		}
	}
	for name, glob := range m.Header {
		value, has := h.Get(name)
		if ok, _ := path.Match(glob, value); !has || !ok {
			return false
		}
	}
	return true
}

// maxKeys bounds the trace ids that First remembers and the kinds of requests
// that draws are numbered by. Beyond it the older half is forgotten.
const maxKeys = 100_000

// memory counts per key. The younger half is kept in the first map.
type memory struct{ counts [2]map[uint64]uint64 }

func (m *memory) get(key uint64) uint64 {
	if n, ok := m.counts[0][key]; ok {
		return n
	}
	return m.counts[1][key]
}

func (m *memory) set(key, n uint64) {
	if m.counts[0] == nil || len(m.counts[0]) >= maxKeys/2 {
		m.counts[1], m.counts[0] = m.counts[0], make(map[uint64]uint64)
	}
	m.counts[0][key] = n
}

// picker applies a selector. It is shared by all connections.
type picker struct {
	selector Selector
	salt     uint64
	mu       sync.Mutex
	matched  uint64
	picked   uint64
	drawn    memory // requests so far of each kind
	traces   memory // requests hit so far of each trace
}

func newPicker(s Selector, name string) *picker {
	return &picker{selector: s, salt: hash(name)}
}

// pick decides for one request. The key is the same whenever the seed and the
// request are: the n-th of its method and target.
func (p *picker) pick(h *httpstream.Head) (key uint64, hit bool) {
	s := &p.selector
	if s.never() || !s.Match.matches(h) {
		return 0, false
	}
	kind := hash(h.Method(), h.Target())
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.drawn.get(kind) + 1
	p.drawn.set(kind, n)
	p.matched++
	key = mix(mix(s.Seed+p.salt) ^ mix(kind+n*0x9E3779B97F4A7C15))
	if s.Limit > 0 && p.picked >= uint64(s.Limit) {
		return key, false
	}
	if s.Every > 0 && p.matched%uint64(s.Every) != 0 {
		return key, false
	}
	if s.Probability != nil && unit(key) >= *s.Probability {
		return key, false
	}
	if s.First > 0 && !p.amongFirst(h) {
		return key, false
	}
	p.picked++
	return key, true
}

// never tells a selector that hits nothing, without counting.
func (s *Selector) never() bool { return s.Probability != nil && *s.Probability == 0 }

func (p *picker) amongFirst(h *httpstream.Head) bool {
	key := hash(traceKey(h))
	seen := p.traces.get(key)
	if seen >= uint64(p.selector.First) { //nolint:gosec // validated: 0 or more
		return false
	}
	p.traces.set(key, seen+1)
	return true
}

// traceKey is the trace id of a request; requests without one count as one.
func traceKey(h *httpstream.Head) string {
	parent, _ := h.Get("traceparent")
	if len(parent) < 35 {
		return ""
	}
	return parent[3:35]
}

// mix is the output function of SplitMix64
// (https://doi.org/10.1145/2714064.2660195).
func mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ z>>31
}

// unit makes a number from 0 to below 1 of a key.
func unit(key uint64) float64 { return float64(key>>11) / (1 << 53) }

// hash is FNV-1a over the parts, each with its end marked.
func hash(parts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, part := range parts {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 1099511628211
		}
		h = (h ^ 0x100) * 1099511628211
	}
	return h
}

// splitTarget returns the path and the query of a request target, which may be a
// whole URL (RFC 9112 section 3.2).
func splitTarget(target string) (path, query string) {
	if scheme := strings.Index(target, "://"); scheme > 0 && target[0] != '/' {
		target = target[scheme+3:]
		slash := strings.IndexAny(target, "/?")
		if slash < 0 {
			return "/", ""
		}
		target = target[slash:]
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// joinValues is the one value that several header lines of a name stand for.
func joinValues(values []string) string { return strings.Join(values, ", ") }
