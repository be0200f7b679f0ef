// Package collector is the OpenTelemetry Collector's connector `continuity`:
// spans of the load and of the services in, verdicts out, as metrics and as
// partial reports. It judges with the very packages that the k6 extension
// judges with, so that a test may be larger than one process.
//
//	k6 runners ──┐                           ┌─► shard 1: continuity ─► partial reports ─┐
//	             ├─► loadbalancing by trace ─┤                                           ├─► merge
//	services ────┘                           └─► shard 2: continuity ─► partial reports ─┘
//
// The load's attempts are its exported CLIENT spans; package clientspan says
// how. Spans come in any order, and those of the services mostly before the
// load's, so a span waits until an attempt of its trace has come, or until the
// settle time has passed and it is foreign.
//
// A service that lost the context started a trace that lands on another shard.
// There it stays without an attempt, and the correlation token in its
// User-Agent becomes a claim in that shard's partial report. `k6 x continuity
// merge` brings claims and missing attempts together. A claim from the
// attempt's own trace says that the balancer split the trace, as it does while
// shards come and go: what would be missing is undecided then.
//
// What cannot be told is undecided, never missing: attempts from before the
// connector started, attempts whose spans were dropped for want of room, and
// what was still due when the Collector stopped.
//
// A test that goes on has a part in every window, even an empty one, with the
// number of the part and the time that it covers. So merge sees a shard that was
// killed, that joined or left, or of which a part was not given: attempts of such
// a time that nothing arrived for are undecided. What the runners sent and no
// shard judged it counts from the runners' own reports.
//
// Not exact are the tables of edges and services of merged parts: a trace that
// restarted on another shard is not in them. Nor are restarts that one process
// infers, of services that do not keep the User-Agent: on two shards they are
// missing. And an attempt whose span is delivered to two shards, as a balancer may
// do that tries again while its ring changes, counts twice; merge tells those that
// both shards judged missing or undecided.
//
// A load that names no test has no such record, and merge keeps its attempts
// apart from those of a test.
package collector
