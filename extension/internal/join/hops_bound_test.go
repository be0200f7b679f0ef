package join

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// TestHopsAreBounded: the names of a service's spans have ids in them.
func TestHopsAreBounded(t *testing.T) {
	t.Parallel()
	var h hops
	server := &span.Record{Kind: span.KindServer, Descriptor: &span.Descriptor{Service: "b"}}
	call := &span.Record{Kind: span.KindClient}
	for i := range 3*maxHops + 1 {
		call.Descriptor = &span.Descriptor{Service: "a", Name: fmt.Sprint("GET /", i)}
		h.learn(call, server)
		require.True(t, h.leads(call))
	}
	n := 0
	h.clients.Range(func(any, any) bool { n++; return true })
	require.LessOrEqual(t, n, maxHops)
}
