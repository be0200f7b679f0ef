// Package join brings together what was sent and what was seen: attempts from
// the load and spans from the services, by trace id, in any order, as a
// stream. It holds a bounded number of open traces and gives each back once,
// when it has settled.
//
//	Open ──► attempts, spans, claims in any order ──► settled
//
// A trace settles when its operations are closed and
//
//   - everything due has arrived and nothing new came for Linger
//     ([ReasonComplete]). Due are a SERVER span per send of an attempt that was
//     sampled and may have reached the service, the parent of every span of a
//     service that arrived, a SERVER child for every CLIENT or SERVER span of a kind that
//     had one, of another service, in an earlier trace (and, while nothing is known
//     of earlier traces, for every CLIENT span of HTTP), and the services that are
//     expected; or
//   - Settle has passed since its last operation ended, or the source said that it
//     has no more ([ReasonTimeout]); or
//   - its source said that it cannot tell ([ReasonPartial]); or
//   - more than MaxTraces are open and it is the oldest of its shard, or it has
//     too many attempts ([ReasonEvicted]); or
//   - the store is drained ([ReasonInterrupted]).
//
// A trace of which only unsampled attempts are known owes nothing. It is kept
// for Settle all the same, to see whether somebody recorded it, as long as the
// store is less than half full.
//
// A SERVER span whose User-Agent claims an attempt of another trace is kept
// with the trace that it claims, too. SERVER spans that began a trace of their
// own and claim nobody are kept for a while, bounded: an attempt that gets no
// answer is offered the first that fits it ([Trace.Roots]).
//
// The package has no goroutines and no clock: time is passed in. Shards keep
// the senders of the load and the receiver out of each other's way.
//
// Settled traces belong to who asked for them ([Store.Advance]), or are lent to
// who keeps nothing of them ([Store.Settle]). What comes back serves the traces
// after them: in steady state a trace of one attempt and two spans costs no
// allocation. An open one takes less than 600 bytes.
package join
