// Package faults drives toxiproxy from a load test: proxies, toxics added by
// hand, and fault plans, whose phases are the time axis of a report.
//
// The embedded [Controller] runs toxiproxy as a library. Every HTTP proxy gets
// a hub of HTTP toxics (package toxics) before its first connection, so that
// HTTP toxics can come and go while connections are busy. Toxiproxy's own
// toxics go through toxiproxy.
package faults
