// Package traced makes HTTP round trips observable: every round trip is one
// CLIENT span under the INTERNAL span of its operation, carries a traceparent
// with that span's own id, and leaves one attempt record in a [Sink].
//
//	Operation (INTERNAL)          one logical request of the script
//	 ├─ attempt 1 (CLIENT)        one round trip each: retries, redirect hops
//	 └─ attempt 2 (CLIENT)        and authentication exchanges
//
// An operation fails as its last round trip did, or with what k6 says of a request that
// it does not send (then error.type is _OTHER). An answer is no failure of it, whatever
// its status: that is the script's to judge.
//
// The sampling decision is taken here, once per operation, and spans of the
// OpenTelemetry SDK are only made for sampled operations that are exported or
// watched by a hook: identifiers and attempt records cost less than spans.
// The SDK's batch processor drops silently, so [Provider] has its own, whose
// ledger accounts for every span. The SDK learns of a span when it has ended, with
// all of its attributes at once; see [lateSpan].
//
// Conventions: https://github.com/open-telemetry/semantic-conventions v1.44,
// docs/http/http-spans.md.
package traced
