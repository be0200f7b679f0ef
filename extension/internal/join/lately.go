package join

// lately holds the few things that something was last done for, so that it need
// not be done again. It compares pointers, or pairs of them: what is interned is
// found.
type lately[T comparable] struct {
	things [8]T
	next   int
}

// first reports whether the thing is not among the last ones, and is from now on.
func (l *lately[T]) first(thing T) bool {
	for _, known := range l.things {
		if known == thing {
			return false
		}
	}
	l.things[l.next] = thing
	l.next = (l.next + 1) % len(l.things)
	return true
}
