// Package e2e tests the built k6 as its users run it: real processes, real
// ports, the demo services, and the reports that come out. The tests run when
// CONTINUITY_K6 names the binary; see `make test-e2e`.
package e2e
