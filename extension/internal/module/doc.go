// Package module is the JavaScript face of the extension: the k6 module
// `k6/x/continuity`. It adapts and decides nothing: requests go to k6's own
// HTTP module, spans to package traced, faults to package faults, and what
// comes of them to the join, the verdicts and the report.
//
//	script ── client.go ─► k6/http (unchanged) ─► vu.go: State().Transport ─► traced
//	                                                          │ attempts
//	toxiproxy.go ─► faults (plan, phases)                     ▼
//	run.go: receiver ─ spans ─► join.Store ─► verdict ─► report, metrics.go
//	settler.go judges while the load runs; finish.go settles and writes on TestEnd
//
// There is one [RootModule] per process and one instance per VU. The run, which
// is shared by all of them, is configured in the init context of the first VU
// and started before the first iteration.
package module
