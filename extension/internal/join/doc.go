// Package join brings together what was sent and what was seen: attempts from
// the load and spans from the services, by trace id, in any order, as a
// stream. It holds a bounded number of open traces and gives each back once,
// when it has settled.
//
//	Open ──► attempts, spans, claims in any order ──► settled
//
// A trace settles when its operation is closed and
//
//   - everything due has arrived and nothing new came for Linger
//     ([ReasonComplete]). Due is one SERVER span per attempt that was sampled
//     and answered by the service, the parent of every SERVER span that
//     arrived, and a SERVER child for every CLIENT span of a kind that had one
//     in an earlier trace; or
//   - Settle has passed since its last attempt ended ([ReasonTimeout]); or
//   - its source said that it cannot tell ([ReasonPartial]); or
//   - more than MaxTraces are open and it is the oldest of its shard ([ReasonEvicted]); or
//   - the store is drained ([ReasonInterrupted]).
//
// A span of a foreign trace that claims one of our attempts, by the
// correlation token of its User-Agent, is kept with the trace that it claims.
//
// The package has no goroutines and no clock: time is passed in. Shards keep
// the senders of the load and the receiver out of each other's way.
package join
