package toxics

import (
	"encoding/json"
	"fmt"
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

// flow is what both directions have in common while they run on a stub.
type flow struct {
	stub        *toxics.ToxicStub
	out         []byte
	interrupted bool // while waiting: return after this chunk
	ended       bool // the connection is to be closed
}

// flush passes on what was collected.
func (f *flow) flush() {
	if len(f.out) == 0 {
		return
	}
	f.stub.Output <- &stream.StreamChunk{Data: f.out, Timestamp: time.Now()}
	f.out = nil
}

// wait delays the stream. An interrupt ends the delay, and later the Pipe.
func (f *flow) wait(d time.Duration) {
	if d <= 0 || f.interrupted {
		return
	}
	f.flush()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.stub.Interrupt:
		f.interrupted = true
	}
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

// flushPending passes on an incomplete head when the half is taken out.
func flushPending(stub *toxics.ToxicStub, pending []byte) {
	if len(pending) > 0 {
		_ = stub.WriteOutput(
			&stream.StreamChunk{Data: pending, Timestamp: time.Now()},
			5*time.Second,
		)
	}
}
