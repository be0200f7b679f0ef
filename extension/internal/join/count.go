package join

// Due counts the traces that still wait for something.
func (s *Store) Due() int {
	due := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for e := sh.ages.front; e != nil; e = e.links[byAge].after {
			if e.operations > 0 || !e.concluded && e.seldom().partial == "" && !s.complete(e) {
				due++
			}
		}
		sh.mu.Unlock()
	}
	return due
}

// Stats returns the counters as of now.
func (s *Store) Stats() Stats {
	out := Stats{
		Open: int(s.open.Load()), Spans: s.spans.Load(), Foreign: s.foreign.Load(),
		Redelivered: s.redelivered.Load(), Late: s.late.Load(), Truncated: s.truncated.Load(),
	}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		out.Attempts += sh.attempts
		out.Settled += sh.settled
		out.Evicted += sh.evicted
		sh.mu.Unlock()
	}
	return out
}
