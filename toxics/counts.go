package toxics

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
)

// event is what a toxic counts, in the order in which it happens to a request.
type event int

const (
	eventSeen event = iota
	eventSelected
	eventInjected
	eventMarked    // a response goes out with the mark
	eventUnreached // the body of a marked response ended before the cut
	eventUnmarked  // the request of a fault had no response to mark
	eventFailed    // a call of a script
	events
)

// counts outlive updates and removals of their toxic, so that requests which
// are under way then are not lost to them.
type counts struct {
	of        [events]atomic.Uint64
	lastError atomic.Pointer[string]
	also      *counts // of a shared entry
}

func (c *counts) add(e event) {
	for ; c != nil; c = c.also {
		c.of[e].Add(1)
	}
}

// read reads first what happens last, and so never shows more injected than
// selected, nor more selected than seen.
func (c *counts) read() Counts {
	var out Counts
	parts := out.parts()
	for e := events - 1; e >= 0; e-- {
		*parts[e] = c.of[e].Load()
	}
	return out
}

// fail counts a call of a script that failed.
func (c *counts) fail(err error) {
	message := err.Error()
	for one := c; one != nil; one = one.also {
		one.lastError.Store(&message)
	}
	c.add(eventFailed)
}

// Others is the name under which toxics count and mark beyond MaxEntries.
const Others = "(other)"

// MaxEntries bounds the toxics that a hub keeps counters of: different names in
// different phases. A script may add toxics for ever, each with a name of its own;
// those beyond the bound count together, under their type and [Others].
const MaxEntries = 1000

// ledgerKey tells toxics apart: what one counts in a phase is not mixed with what
// the same one counts in another, even when requests were under way in between.
type ledgerKey struct{ kind, name, phase string }

type ledgerEntry struct {
	mode   string
	counts counts
}

// Counts are what one toxic has counted. When no request is under way,
//
//	injected + unreached = marked + unmarked
//
// and marked is what a client that has read all of its responses finds in them.
// PassedThrough and Unpaired are the same for all toxics of a hub and count from the
// hub's start.
type Counts struct {
	Seen     uint64 `json:"seen"`     // requests that passed while the toxic was in
	Selected uint64 `json:"selected"` // of those, chosen by the selector
	Injected uint64 `json:"injected"` // of those, where the fault took place
	Marked   uint64 `json:"marked"`   // responses that went out with the toxic's mark
	// Unreached are marked responses where nothing took place: their body ended
	// before the cut.
	Unreached uint64 `json:"unreached,omitempty"`
	// Unmarked are requests where the fault took place and no response went out: the
	// connection was reset, or the service did not answer.
	Unmarked      uint64 `json:"unmarked,omitempty"`
	PassedThrough uint64 `json:"passed_through"`   // connections that were not HTTP/1.1
	Unpaired      uint64 `json:"unpaired"`         // connections that were open before the hub
	Errors        uint64 `json:"errors,omitempty"` // calls of a script that failed
}

// parts are all of the counts: those of the events, and those of the hub.
func (c *Counts) parts() []*uint64 {
	return []*uint64{
		eventSeen: &c.Seen, eventSelected: &c.Selected, eventInjected: &c.Injected,
		eventMarked: &c.Marked, eventUnreached: &c.Unreached, eventUnmarked: &c.Unmarked,
		eventFailed: &c.Errors, events: &c.PassedThrough, events + 1: &c.Unpaired,
	}
}

// Plus adds other counts.
func (c Counts) Plus(other Counts) Counts {
	to, from := c.parts(), other.parts()
	for i := range to {
		*to[i] += *from[i]
	}
	return c
}

// Since is what was counted after others were read. Counts that are lower have started
// anew, as those of a proxy do that was made again: all of them were counted since.
func (c Counts) Since(before Counts) Counts {
	to, from := c.parts(), before.parts()
	for i := range to {
		if *to[i] < *from[i] {
			return c
		}
	}
	for i := range to {
		*to[i] -= *from[i]
	}
	return c
}

// Counters are the counts of one toxic with its name.
type Counters struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Mode  string `json:"mode"`
	Phase string `json:"phase,omitempty"` // of the plan that put it in
	Counts
}

// enter gives a rule its counters: those that the ledger has of it, so that a
// toxic which comes again goes on with them, and the proxy's name. The lock is held.
func (h *Hub) enter(r *rule) {
	entry := h.ledger[r.entry]
	full := len(h.ledger) >= MaxEntries
	if entry == nil && full {
		r.entry = ledgerKey{kind: r.kind, name: Others}
		entry = h.ledger[r.entry]
	}
	if entry == nil {
		entry = &ledgerEntry{}
		h.ledger[r.entry] = entry
	}
	entry.mode = r.mode
	r.counts = &entry.counts
	if r.entry.name == Others {
		r.counts = &counts{also: &entry.counts}
	}
	r.base, r.proxy = r.counts.read(), h.proxy
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
	now := h.complete(r.counts.read().Since(r.base))
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
			Counts: h.complete(entry.counts.read()),
		})
	}
	slices.SortFunc(out, func(a, b Counters) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type),
			strings.Compare(a.Phase, b.Phase))
	})
	return out
}

// complete adds what the hub counts for all of its toxics.
func (h *Hub) complete(c Counts) Counts {
	c.PassedThrough, c.Unpaired = h.opaque.Load(), h.unpaired.Load()
	return c
}
