// Package faults drives toxiproxy from a load test: proxies, toxics added by
// hand, and fault plans, whose phases are the time axis of a report.
//
// There is one [Controller]. It speaks toxiproxy's HTTP API, either to a server
// inside of this process, which has no listener, or to one at a URL:
//
//	NewEmbedded ─ in memory ─┐
//	                         ├─► API ─► proxies, toxics, counts
//	NewRemote ─── HTTP ──────┘
//
// HTTP toxics need the server of package toxics/server; a plain toxiproxy at a
// URL serves toxiproxy's own. See [Lease] for how several load generators agree
// on the one that drives a plan, and [bridge] for https upstreams.
package faults
