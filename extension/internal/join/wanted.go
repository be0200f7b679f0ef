package join

import (
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Wanted is an attempt that may have reached a service more often than SERVER
// spans are tied to it so far: the service may have handled it in another trace.
type Wanted struct {
	Attempt span.Attempt
	Service string // that is known to serve such attempts; empty when none is
}

// Wanted lists such attempts of an open trace.
func (s *Store) Wanted(id tracecontext.TraceID) []Wanted {
	sh := s.lock(id)
	defer sh.mu.Unlock()
	e := sh.traces.get(id)
	if e == nil {
		return nil
	}
	var out []Wanted
	for i := range e.attempts {
		if a := &e.attempts[i]; awaits(a) > e.answers(a) {
			out = append(out, Wanted{*a, s.roots.service(a)})
		}
	}
	return out
}
