package faults

import "sync"

// maxWarnings bounds the messages that [once] remembers.
const maxWarnings = 100

// once passes on every message the first time only, and none beyond
// maxWarnings different ones: a service that is down fails thousands of times
// the same way.
func once(warn func(string)) func(string) {
	if warn == nil {
		return func(string) {}
	}
	var mu sync.Mutex
	seen := make(map[string]bool)
	return func(message string) {
		mu.Lock()
		known := seen[message] || len(seen) >= maxWarnings
		if !known {
			seen[message] = true
		}
		full := !known && len(seen) == maxWarnings
		mu.Unlock()
		if !known {
			warn(message)
		}
		if full {
			warn("toxiproxy: further different warnings are not shown")
		}
	}
}
