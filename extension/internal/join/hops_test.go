package join

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// TestKindsLearnedAtOnceAreAllKnown learns of a proxy without CLIENT spans while
// other shards learn of clients.
func TestKindsLearnedAtOnceAreAllKnown(t *testing.T) {
	t.Parallel()
	const rounds, clients = 500, 100
	kind := func(k span.Kind, service string) *span.Record {
		return &span.Record{Kind: k, Descriptor: &span.Descriptor{Service: service}}
	}
	served := kind(span.KindServer, "inventory")
	for range rounds {
		var h hops
		var all sync.WaitGroup
		proxy := kind(span.KindServer, "proxy")
		for n := range 2 * clients {
			parent := kind(span.KindClient, "gateway")
			if n == clients {
				parent = proxy
			}
			all.Go(func() { h.learn(parent, served) })
		}
		all.Wait()
		require.True(t, h.mayLead(proxy))
		require.True(t, h.leads(proxy))
	}
}
