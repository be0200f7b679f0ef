// Package backend gets spans from where services have already put them: a
// Jaeger or a Tempo that is asked trace by trace, or files in the JSON form of
// OTLP, as the Collector's file exporter writes them.
//
//	trace ids ──► Poller ──► Source (Jaeger, Tempo) ──► sink (records)
//	                 └─ the source cannot tell ───────► mark partial (reason)
//	GLOB ───────► Files ───────────────────────────────► sink (records)
//
// A backend that has not got a trace yet is asked again, with growing pauses,
// until the settle time is over; only then its "not found" counts. A backend
// that fails, answers nonsense, is slow or cannot be reached says nothing
// about a trace: the trace is marked partial, with the reason, so that its
// attempts become undecided and never missing.
//
// A query by trace id cannot find spans that a service put into a trace of
// its own. For attempts that no span answers, the backend is therefore searched
// by the User-Agent, whose suffix names the attempt ([Searcher]): Jaeger by tag,
// Tempo by TraceQL. A search that fails makes them undecided. Attempts that were
// sent with a User-Agent of the script's, or without the suffix, cannot be found
// like this, nor can those whose service does not record the User-Agent: they
// show as missing where the embedded receiver could infer a restart.
package backend
