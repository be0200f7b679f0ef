package join

// list is one of the orders in which a shard keeps its open entries. The links are
// in the entries, so that one that settles leaves nothing behind.
type list struct {
	order       order
	front, back *entry
}

// order names a list, and the entries' links of it.
type order uint8

const (
	byAge   order = iota // for eviction
	byCheck              // by the time of the next look; every look is one linger later
	orders
)

// link ties an entry to its neighbours in a list.
type link struct{ before, after *entry }

// push adds an entry at the back.
func (l *list) push(e *entry) {
	e.links[l.order] = link{before: l.back}
	if l.back == nil {
		l.front = e
	} else {
		l.back.links[l.order].after = e
	}
	l.back = e
}

// remove takes an entry out that is in the list.
func (l *list) remove(e *entry) {
	at := e.links[l.order]
	if at.before == nil {
		l.front = at.after
	} else {
		at.before.links[l.order].after = at.after
	}
	if at.after == nil {
		l.back = at.before
	} else {
		at.after.links[l.order].before = at.before
	}
	e.links[l.order] = link{}
}
