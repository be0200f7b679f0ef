// Package extension registers xk6-continuity with k6: the JavaScript module
// `k6/x/continuity` and the subcommand `k6 x continuity`.
package extension
