package toxics

import (
	"errors"
	"reflect"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

var errHasHub = errors.New("it has HTTP toxics already")

// takeFirst puts the halves where toxiproxy keeps a toxic that does nothing, so
// that input can be paused: at the beginning of each chain, out of sight. The halves
// pause as well, and every chunk saves the way through a goroutine more, which is
// most of what a toxic that selects nothing would cost.
//
// It returns false for a proxy that has connections, and for a version of toxiproxy
// that keeps its chains in another way: the halves are then toxics like others.
func (h *Hub) takeFirst(collection *toxiproxy.ToxicCollection) (bool, error) {
	collection.Lock()
	defer collection.Unlock()
	fields := reflect.ValueOf(collection).Elem()
	links, chains := fields.FieldByName("links"), fields.FieldByName("chain")
	if !links.IsValid() || links.Kind() != reflect.Map ||
		!chains.IsValid() || chains.Type() != reflect.TypeFor[[][]*toxics.ToxicWrapper]() {
		return false, nil
	}
	chain := *(*[][]*toxics.ToxicWrapper)(chains.Addr().UnsafePointer())
	self := half{ID: h.id, hub: h}
	halves := [...]*toxics.ToxicWrapper{
		stream.Upstream: {
			Toxic: &RequestHalf{self}, Type: requestType, Stream: "upstream",
			Direction: stream.Upstream,
		},
		stream.Downstream: {
			Toxic: &ResponseHalf{self}, Type: responseType, Stream: "downstream",
			Direction: stream.Downstream,
		},
	}
	for direction := range halves {
		switch {
		case len(chain) != len(halves) || len(chain[direction]) == 0:
			return false, nil
		case IsHalf(chain[direction][0].Type):
			return false, errHasHub
		}
	}
	if links.Len() > 0 {
		return false, nil
	}
	for direction, wrapper := range halves {
		wrapper.Name, wrapper.Toxicity = wrapper.Type, 1
		chain[direction][0] = wrapper
	}
	return true, nil
}
