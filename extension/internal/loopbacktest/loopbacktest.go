// Package loopbacktest finds addresses for the servers that tests start as processes
// of their own, which cannot tell which port the system chose for them.
package loopbacktest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports that are given out: below those that systems choose for connections by
// themselves (RFC 6335 begins them at 49152, Linux at 32768), so that none of these
// takes one before its server does.
const (
	firstPort = 20_000
	ports     = 12_000
)

var (
	mu    sync.Mutex              //nolint:gochecknoglobals // with given
	given = make(map[string]bool) //nolint:gochecknoglobals // ports are the process's
)

// Address returns an address of 127.0.0.1 that nobody listens on, each one once in
// a process.
func Address(tb testing.TB) string {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(ports)) //nolint:gosec // a port
		if given[address] {
			continue
		}
		given[address] = true
		l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			tb.Fatalf("closing the listener at %s: %v", address, err)
		}
		return address
	}
	tb.Fatal("no port is free")
	return ""
}
