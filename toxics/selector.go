package toxics

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"path"
	"strings"
	"sync"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// Selector says which requests a toxic hits. Its fields stand beside the
// toxic's own attributes. Without any field it hits every request. Fields are
// combined: all that are set must agree.
type Selector struct {
	// Probability is the share of the matching requests, 0 to 1. The draw of the
	// n-th matching request depends on the seed and n alone, so the same seed hits
	// the same places of the sequence, whatever the number of connections.
	Probability *float64 `json:"probability,omitempty"`
	// Every hits each n-th matching request.
	Every int `json:"every,omitempty"`
	// First hits the first n matching requests of each trace id and then lets pass.
	First int `json:"first,omitempty"`
	// Limit ends the toxic after so many requests.
	Limit int    `json:"limit,omitempty"`
	Match *Match `json:"match,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
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
		target, _, _ := strings.Cut(h.Target(), "?")
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

// maxTraces bounds the trace ids that First remembers; the oldest half goes.
const maxTraces = 100_000

// picker applies a selector. It is shared by all connections.
type picker struct {
	selector Selector
	salt     uint64
	mu       sync.Mutex
	matched  uint64
	picked   uint64
	traces   [2]map[string]int
}

func newPicker(s Selector, name string) *picker {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash does not fail
	return &picker{selector: s, salt: h.Sum64()}
}

// pick decides for one request.
func (p *picker) pick(h *httpstream.Head) bool {
	s := &p.selector
	if !s.Match.matches(h) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.matched++
	if s.Limit > 0 && p.picked >= uint64(s.Limit) {
		return false
	}
	if s.Every > 0 && p.matched%uint64(s.Every) != 0 {
		return false
	}
	if s.Probability != nil && p.draw(p.matched) >= *s.Probability {
		return false
	}
	if s.First > 0 && !p.amongFirst(h) {
		return false
	}
	p.picked++
	return true
}

// draw returns the n-th number, 0 to below 1, of the seed's sequence
// (SplitMix64, https://doi.org/10.1145/2714064.2660195).
func (p *picker) draw(n uint64) float64 {
	z := p.selector.Seed + p.salt + n*0x9E3779B97F4A7C15
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}

func (p *picker) amongFirst(h *httpstream.Head) bool {
	key := traceKey(h)
	seen, young := p.traces[0][key]
	if !young {
		seen = p.traces[1][key]
	}
	if seen >= p.selector.First {
		return false
	}
	if len(p.traces[0]) >= maxTraces/2 || p.traces[0] == nil {
		p.traces[1], p.traces[0] = p.traces[0], make(map[string]int)
	}
	p.traces[0][key] = seen + 1
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

// requestHash tells requests apart where a toxic varies by request.
func requestHash(seed, n uint64) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	binary.LittleEndian.PutUint64(b[8:], n)
	h := fnv.New64a()
	_, _ = h.Write(b[:]) // a hash does not fail
	return h.Sum64()
}
