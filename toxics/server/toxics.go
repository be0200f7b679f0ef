package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	own "github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// toxicInput is a toxic as a client describes it.
type toxicInput struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`
	Toxicity   *float32        `json:"toxicity"`
	Attributes json.RawMessage `json:"attributes"`
}

// toxicView is one of our toxics as it is shown.
type toxicView struct {
	Attributes json.RawMessage `json:"attributes"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`
	Toxicity   float32         `json:"toxicity"`
	Counts     toxics.Counts   `json:"counts"`
	LastError  string          `json:"last_error,omitempty"` // of a script
}

// toxics lists toxiproxy's own toxics in the order of their chains, and then
// ours in theirs. The lock is held.
func (e *entry) toxics() ([]any, error) {
	out := make([]any, 0)
	for _, toxic := range e.proxy.Toxics.GetToxicArray() {
		wrapper, ok := toxic.(*own.ToxicWrapper)
		if !ok || toxics.IsHalf(wrapper.Type) {
			continue
		}
		text, err := e.marshal(wrapper)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	for _, toxic := range e.hub.Toxics() {
		out = append(out, e.show(toxic))
	}
	return out, nil
}

// marshal reads one of toxiproxy's toxics under the lock that its updates take.
func (e *entry) marshal(toxic *own.ToxicWrapper) (json.RawMessage, error) {
	e.proxy.Toxics.Lock()
	defer e.proxy.Toxics.Unlock()
	text, err := json.Marshal(toxic)
	if err != nil {
		return nil, fmt.Errorf("toxic %q: %w", toxic.Name, err)
	}
	return text, nil
}

func (e *entry) show(toxic toxics.Toxic) *toxicView {
	return &toxicView{
		Attributes: toxic.Attributes, Name: toxic.Name, Type: toxic.Type,
		Stream: e.streams[toxic.Name], Toxicity: 1, Counts: toxic.Counts,
		LastError: toxic.LastError,
	}
}

func (s *Server) listToxics(_ *http.Request, e *entry) (any, error) { return e.toxics() }

// own finds one of toxiproxy's toxics; the halves are not there for anybody.
func (e *entry) own(name string) (*own.ToxicWrapper, error) {
	toxic := e.proxy.Toxics.GetToxic(name)
	if toxic == nil || toxics.IsHalf(toxic.Type) {
		return nil, toxiproxy.ErrToxicNotFound
	}
	return toxic, nil
}

func (s *Server) showToxic(r *http.Request, e *entry) (any, error) {
	name := r.PathValue("toxic")
	if toxic, ok := e.hub.Toxic(name); ok {
		return e.show(toxic), nil
	}
	toxic, err := e.own(name)
	if err != nil {
		return nil, err
	}
	return e.marshal(toxic)
}

func (s *Server) createToxic(r *http.Request, e *entry) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, badRequest(toxiproxy.ErrBadRequestBody, err.Error())
	}
	input := toxicInput{Stream: "downstream"}
	if err := json.Unmarshal(body, &input); err != nil {
		return nil, badRequest(toxiproxy.ErrBadRequestBody, err.Error())
	}
	if input.Stream == "" {
		input.Stream = "downstream"
	}
	if input.Name == "" {
		input.Name = input.Type + "_" + input.Stream
	}
	switch {
	case toxics.IsHTTP(input.Type):
		return e.add(&input, s.seed)
	case toxics.IsHalf(input.Type):
		return nil, toxiproxy.ErrInvalidToxicType
	}
	if _, taken := e.hub.Toxic(input.Name); taken {
		return nil, toxiproxy.ErrToxicAlreadyExists
	}
	added, err := e.proxy.Toxics.AddToxicJson(bytes.NewReader(body))
	if err != nil {
		return nil, err //nolint:wrapcheck // toxiproxy's own API error, with its status
	}
	return e.marshal(added)
}

// add puts in one of our toxics. The entry's lock is held.
func (e *entry) add(input *toxicInput, seed *uint64) (any, error) {
	if _, err := stream.ParseDirection(input.Stream); err != nil {
		return nil, toxiproxy.ErrInvalidStream
	}
	if err := checkToxicity(input.Type, input.Toxicity); err != nil {
		return nil, err
	}
	_, taken := e.hub.Toxic(input.Name)
	if taken || e.proxy.Toxics.GetToxic(input.Name) != nil {
		return nil, toxiproxy.ErrToxicAlreadyExists
	}
	attributes, err := withSeed(input.Attributes, seed)
	if err != nil {
		return nil, refused(fmt.Errorf("%s: %w", input.Type, err))
	}
	if err := e.hub.Add(input.Name, input.Type, attributes); err != nil {
		return nil, refused(err)
	}
	e.streams[input.Name] = input.Stream
	toxic, _ := e.hub.Toxic(input.Name)
	return e.show(toxic), nil
}

func checkToxicity(kind string, toxicity *float32) error {
	if toxicity == nil || *toxicity == 1 {
		return nil
	}
	return refused(fmt.Errorf("%s: toxicity must be 1, got %v: "+
		"use the attribute probability, which is drawn per request", kind, *toxicity))
}

// withSeed gives attributes without a seed the server's.
func withSeed(attributes json.RawMessage, seed *uint64) (json.RawMessage, error) {
	if seed == nil {
		return attributes, nil
	}
	fields := make(map[string]json.RawMessage)
	if len(attributes) > 0 {
		if err := json.Unmarshal(attributes, &fields); err != nil {
			return nil, errors.New("attributes must be an object")
		}
	}
	if _, ok := fields["seed"]; ok {
		return attributes, nil
	}
	if fields == nil {
		fields = make(map[string]json.RawMessage, 1)
	}
	fields["seed"] = fmt.Appendf(nil, "%d", *seed)
	return json.Marshal(fields) //nolint:wrapcheck // raw messages that were just decoded
}

func (s *Server) updateToxic(r *http.Request, e *entry) (any, error) {
	name := r.PathValue("toxic")
	if toxic, ok := e.hub.Toxic(name); ok {
		var input toxicInput
		if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
			return nil, badRequest(toxiproxy.ErrBadRequestBody, err.Error())
		}
		if err := checkToxicity(toxic.Type, input.Toxicity); err != nil {
			return nil, err
		}
		if err := e.hub.Merge(name, input.Attributes); err != nil {
			return nil, refused(err)
		}
		toxic, _ = e.hub.Toxic(name)
		return e.show(toxic), nil
	}
	if _, err := e.own(name); err != nil {
		return nil, err
	}
	updated, err := e.proxy.Toxics.UpdateToxicJson(name, r.Body)
	if err != nil {
		return nil, err //nolint:wrapcheck // toxiproxy's own API error, with its status
	}
	return e.marshal(updated)
}

func (s *Server) deleteToxic(r *http.Request, e *entry) (any, error) {
	name := r.PathValue("toxic")
	if _, err := e.hub.Remove(name); err == nil {
		delete(e.streams, name)
		return nil, nil //nolint:nilnil // a deletion is answered without a body
	}
	if _, err := e.own(name); err != nil {
		return nil, err
	}
	return nil, e.proxy.Toxics.RemoveToxic(r.Context(), name)
}

// removeAll takes out all toxics but the hub's halves.
func (e *entry) removeAll(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, toxic := range e.hub.Toxics() {
		if _, err := e.hub.Remove(toxic.Name); err != nil {
			return err
		}
	}
	clear(e.streams)
	for _, toxic := range e.proxy.Toxics.GetToxicArray() {
		wrapper, ok := toxic.(*own.ToxicWrapper)
		if !ok || toxics.IsHalf(wrapper.Type) {
			continue
		}
		if err := e.proxy.Toxics.RemoveToxic(ctx, wrapper.Name); err != nil {
			return fmt.Errorf("removing toxic %q: %w", wrapper.Name, err)
		}
	}
	return nil
}
