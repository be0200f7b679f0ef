// Package clientspan is what the load's own CLIENT spans say about the
// attempts behind them. The traced client writes it, and whoever judges spans
// without a live run at hand reads it: the analysis of files and the Collector.
//
//	attempt ──► CLIENT span with the attributes below ──► attempt
//
// Ids, times, status and method are the span's own fields. What only the load
// knows is in attributes of the namespace continuity, and left out where it has
// its usual value, so that the common span carries none but the names.
package clientspan

import "github.com/xk6-continuity/xk6-continuity/extension/internal/span"

// Scope is the instrumentation scope of the traced client's spans.
const Scope = span.LoadScope

// The attributes of a CLIENT span that say what only the load knows.
const (
	Phase     = "continuity.phase"    // fault phase at the moment of sending
	Scenario  = "continuity.scenario" // k6 scenario
	Name      = "continuity.name"     // k6's name tag, without its query
	Number    = "continuity.attempt"  // int, from the second attempt on
	Outcome   = "continuity.outcome"  // "not_sent" or "sent_failed"; absent when answered
	Toxics    = "continuity.toxics"   // string[], as the X-Toxic header says it
	Sends     = "continuity.sends"    // int, when the transport wrote the request again
	ErrorType = "error.type"          // of the semantic conventions
	Peer      = "service.peer.name"   // of the semantic conventions
)
