package join

import (
	"hash/maphash"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// table finds the open traces of a shard by their ids. It is a hash table with
// linear probing: every span and attempt goes through it several times, and in
// most cases it reads one line of the processor's cache where a map reads three.
type table struct {
	seed  maphash.Seed
	slots []slot // a power of two of them, or none
	size  int
}

// slot is free when it has no entry.
type slot struct {
	hash  uint64
	entry *entry
}

const leastSlots = 8

func (t *table) hash(id *tracecontext.TraceID) uint64 { return maphash.Bytes(t.seed, id[:]) }

// next is the place after one, in a circle.
func (t *table) next(at int) int { return (at + 1) & (len(t.slots) - 1) }

// home is where a hash belongs.
func (t *table) home(hash uint64) int {
	return int(hash & uint64(len(t.slots)-1)) //nolint:gosec // below the number of slots
}

// find returns the place of a trace, and its entry; nil if it is not there.
func (t *table) find(id *tracecontext.TraceID) (at int, e *entry) {
	if t.size == 0 {
		return 0, nil
	}
	hash := t.hash(id)
	for at = t.home(hash); ; at = t.next(at) {
		s := &t.slots[at]
		if s.entry == nil || s.hash == hash && s.entry.id == *id {
			return at, s.entry
		}
	}
}

// get returns the entry of a trace; nil if it is not there.
func (t *table) get(id tracecontext.TraceID) *entry {
	_, e := t.find(&id)
	return e
}

// add takes the entry of a trace up that is not there.
func (t *table) add(e *entry) {
	if 4*(t.size+1) > 3*len(t.slots) { // some are always free, and probes are short
		old := t.slots
		t.slots = make([]slot, max(leastSlots, 2*len(old)))
		for _, s := range old {
			if s.entry != nil {
				t.put(s)
			}
		}
	}
	t.put(slot{t.hash(&e.id), e})
	t.size++
}

// put stores a slot in the first free place from its home.
func (t *table) put(s slot) {
	at := t.home(s.hash)
	for t.slots[at].entry != nil {
		at = t.next(at)
	}
	t.slots[at] = s
}

// remove forgets a trace, and moves those behind it up that were kept from their
// homes.
func (t *table) remove(id tracecontext.TraceID) {
	free, e := t.find(&id)
	if e == nil {
		return
	}
	t.size--
	distance := func(from, to int) int { return (to - from) & (len(t.slots) - 1) }
	for at := t.next(free); t.slots[at].entry != nil; at = t.next(at) {
		if distance(t.home(t.slots[at].hash), at) >= distance(free, at) {
			t.slots[free] = t.slots[at]
			free = at
		}
	}
	t.slots[free] = slot{}
}
