package join

import (
	"sync"
	"sync/atomic"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// hops are the kinds of spans that had a SERVER child in an earlier trace: their
// services send their spans at times of their own, so the next one waits for it.
type hops struct {
	clients sync.Map // *span.Descriptor -> true
	// Some proxies report a SERVER span and no CLIENT span. What they answer on
	// their own, of the same kind, waits for Settle.
	servers sync.Map // *span.Descriptor -> true
	proxies atomic.Bool
	known   atomic.Int64 // kinds
}

// maxHops bounds the kinds that are remembered; beyond it all are learned anew. Services
// whose spans have ids in their names have ever new ones.
const maxHops = 20_000

// mayLead reports whether a span is of a kind that can have had a SERVER child.
func (h *hops) mayLead(r *span.Record) bool {
	return r.Kind == span.KindClient || r.Kind == span.KindServer && h.proxies.Load()
}

// leads reports whether a span of this kind has had a SERVER child.
func (h *hops) leads(r *span.Record) bool {
	kind := &h.clients
	if r.Kind == span.KindServer {
		kind = &h.servers
	}
	_, known := kind.Load(r.Descriptor)
	return known
}

// learn remembers that a span led to a SERVER span. An inner SERVER span of one
// service is no hop.
func (h *hops) learn(parent, child *span.Record) {
	kind := &h.clients
	switch {
	case parent.Kind == span.KindClient:
	case parent.Kind == span.KindServer && parent.Descriptor.Service != child.Descriptor.Service:
		kind = &h.servers
	default:
		return
	}
	if _, known := kind.Load(parent.Descriptor); known {
		return
	}
	if h.known.Add(1) > maxHops {
		h.known.Store(1)
		h.clients.Clear()
		h.servers.Clear()
	}
	kind.Store(parent.Descriptor, true)
	if kind == &h.servers {
		h.proxies.Store(true)
	}
}
