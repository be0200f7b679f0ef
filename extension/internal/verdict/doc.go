// Package verdict judges settled traces: one verdict per attempt, by ids and
// never by clocks. Each rule is a file; the first rule that decides wins.
//
//	excluded       outside tracing
//	unsampled      sent with the sampled flag off
//	continued,     a SERVER span descends from the attempt's client span,
//	  duplicated     once or more than once
//	reparented     a SERVER span of the trace claims the attempt, under another parent
//	restarted      a SERVER span of another trace claims the attempt
//	continued      a CONSUMER span descends from it, and no SERVER span
//	reparented     inferred: a SERVER span of the trace belongs to nobody else
//	not_delivered  a toxic answered in the service's place, or nothing was sent
//	undecided      the transport failed, or the source could not tell
//	span_lost      descendants arrived, the SERVER span did not; among them one
//	               that claims the attempt, under an id that never arrived
//	restarted      inferred: a root of the same service and route came instead
//	missing        the service answered and nothing arrived
//
// Evidence beats expectation: an attempt whose SERVER span arrived is judged
// by that span, whatever the transport or a toxic said about it. What is only
// inferred never makes a break of an attempt that was not due, and never holds.
//
// A claim is the correlation token in a span's User-Agent. It says which
// attempt a span handled, and beats the parent id: a span below one attempt that
// claims another is the other's. A proxy may hand the User-Agent on, so claims
// of inner spans are traced up to the first span of their chain. Where that is
// under an unknown id, and other attempts show that another service answers first,
// that service's span was lost.
//
// The load's own spans may come back through a Collector: spans of its
// instrumentation scope, with an attempt's or an operation's id, or above those,
// are left out.
package verdict
