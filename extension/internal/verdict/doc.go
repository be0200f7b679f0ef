// Package verdict judges settled traces: one verdict per attempt, by ids and
// never by clocks. Each rule is a file; the first rule that decides wins.
//
//	excluded       outside tracing
//	unsampled      sent with the sampled flag off
//	restarted      a SERVER span of another trace claims the attempt
//	continued,     a SERVER span descends from the attempt's client span,
//	  duplicated     once or more than once
//	reparented     the SERVER span is in the trace, under the wrong parent
//	not_delivered  a toxic answered in the service's place, or nothing was sent
//	undecided      the transport failed, or the source could not tell
//	span_lost      descendants arrived, the SERVER span did not
//	missing        the service answered and nothing arrived
//
// Evidence beats expectation: an attempt whose SERVER span arrived is judged
// by that span, whatever the transport or a toxic said about it.
//
// The load's own spans may come back through a Collector: spans that carry an
// attempt's or an operation's id and are not of kind SERVER are left out.
package verdict
