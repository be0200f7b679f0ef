package toxics

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// The toxiproxy types of a hub's two halves.
const (
	requestType  = "http_hub_request"
	responseType = "http_hub_response"
)

// Register makes the halves known to toxiproxy. It may be called repeatedly.
func Register() {
	toxics.Register(requestType, new(RequestHalf))
	toxics.Register(responseType, new(ResponseHalf))
}

// half finds its hub by the id in its attributes.
type half struct {
	ID  string `json:"hub"`
	hub *Hub
}

func (h *half) load(text []byte) error {
	var attributes struct {
		Hub string `json:"hub"`
	}
	if err := json.Unmarshal(text, &attributes); err != nil {
		return fmt.Errorf("reading the attributes of a hub: %w", err)
	}
	found, ok := hubs.Load(attributes.Hub)
	if !ok {
		return fmt.Errorf("hub must be the id of a hub of this process, got %q", attributes.Hub)
	}
	h.ID = attributes.Hub
	h.hub, _ = found.(*Hub)
	return nil
}

// RequestHalf is the upstream half of a hub.
type RequestHalf struct{ half }

// ResponseHalf is the downstream half of a hub.
type ResponseHalf struct{ half }

var (
	_ toxics.StatefulToxic = &RequestHalf{}
	_ toxics.CleanupToxic  = &RequestHalf{}
	_ toxics.StatefulToxic = &ResponseHalf{}
	_ toxics.CleanupToxic  = &ResponseHalf{}
)

// UnmarshalJSON finds the hub.
func (t *RequestHalf) UnmarshalJSON(text []byte) error { return t.load(text) }

// UnmarshalJSON finds the hub.
func (t *ResponseHalf) UnmarshalJSON(text []byte) error { return t.load(text) }

// NewState implements toxics.StatefulToxic.
func (t *RequestHalf) NewState() any {
	if t.hub == nil {
		return nil
	}
	if l := t.hub.first(); l != nil {
		return newRequests(l)
	}
	return nil
}

// NewState implements toxics.StatefulToxic.
func (t *ResponseHalf) NewState() any {
	if t.hub == nil {
		return nil
	}
	if l := t.hub.second(); l != nil {
		return newResponses(l)
	}
	return nil
}

// passThrough is the Pipe of a connection that the hub does not follow.
func passThrough(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			stub.Output <- chunk
		}
	}
}

// release passes on what a half still holds when it is taken out.
func release(stub *toxics.ToxicStub, held ...[]byte) {
	for _, data := range held {
		for data := range slices.Chunk(data, maxChunk) {
			chunk := &stream.StreamChunk{Data: data, Timestamp: time.Now()}
			_ = stub.WriteOutput(chunk, 5*time.Second) // toxiproxy's own bound
		}
	}
}
