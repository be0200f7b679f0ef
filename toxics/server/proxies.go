package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/xk6-continuity/xk6-continuity/toxics/bridge"
)

// proxyInput is a proxy as a client describes it.
type proxyInput struct {
	Name     string      `json:"name"`
	Listen   string      `json:"listen"`
	Upstream string      `json:"upstream"`
	Enabled  *bool       `json:"enabled"` // default true
	TLS      *bridge.TLS `json:"tls"`     // of an https upstream
}

func (p *proxyInput) tls() bridge.TLS {
	if p.TLS == nil {
		return bridge.TLS{}
	}
	return *p.TLS
}

func (p *proxyInput) enabled() bool { return p.Enabled == nil || *p.Enabled }

func (p *proxyInput) check(where string) error {
	switch {
	case p.Name == "":
		return badRequest(toxiproxy.ErrMissingField, "name"+where)
	case p.Upstream == "":
		return badRequest(toxiproxy.ErrMissingField, "upstream"+where)
	}
	return nil
}

// proxyView is a proxy as it is shown.
type proxyView struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  bool   `json:"enabled"`
	Toxics   []any  `json:"toxics"`
	// UpstreamErrors tell of an https upstream that could not be reached.
	UpstreamErrors *bridge.Failures `json:"upstream_errors,omitempty"`
}

// view shows the proxy. The entry's lock is held.
func (e *entry) view() (*proxyView, error) {
	list, err := e.toxics()
	if err != nil {
		return nil, err
	}
	e.proxy.Lock()
	defer e.proxy.Unlock()
	view := &proxyView{
		Name: e.proxy.Name, Listen: e.proxy.Listen, Upstream: e.upstream,
		Enabled: e.proxy.Enabled, Toxics: list,
	}
	if failures := e.bridge.Failures(); failures.Count > 0 {
		view.UpstreamErrors = &failures
	}
	return view, nil
}

// look is view, for a caller without the lock.
func (e *entry) look() (*proxyView, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.view()
}

func (s *Server) listProxies(*http.Request) (any, error) {
	out := make(map[string]*proxyView)
	for name := range s.api.Collection.Proxies() {
		e, err := s.entry(name)
		if errors.Is(err, toxiproxy.ErrProxyNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		if out[name], err = e.look(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Server) createProxy(r *http.Request) (any, error) {
	var input proxyInput
	if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
		return nil, badRequest(toxiproxy.ErrBadRequestBody, err.Error())
	}
	if err := input.check(""); err != nil {
		return nil, err
	}
	s.mu.Lock()
	e, err := s.prepare(r.Context(), &input, nil)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	if err := s.api.Collection.Add(e.proxy, input.enabled()); err != nil {
		s.mu.Unlock()
		e.hub.Close()
		e.bridge.Close()
		return nil, fmt.Errorf("adding proxy %q: %w", input.Name, err)
	}
	s.adopt(e)
	s.mu.Unlock()
	return e.look()
}

// populate answers with the proxies that were made even when one failed.
func (s *Server) populate(w http.ResponseWriter, r *http.Request) {
	made, err := s.Populate(r.Context(), http.MaxBytesReader(w, r.Body, maxRequest))
	body := struct {
		*toxiproxy.ApiError

		Proxies []*proxyView `json:"proxies"`
	}{}
	status := http.StatusCreated
	if err != nil {
		body.ApiError = apiError(err)
		status = body.StatusCode
	}
	for _, proxy := range made {
		if e, err := s.entry(proxy.Name); err == nil {
			if view, err := e.look(); err == nil {
				body.Proxies = append(body.Proxies, view)
			}
		}
	}
	answer(w, status, body, nil)
}

func (s *Server) showProxy(_ *http.Request, e *entry) (any, error) { return e.view() }

func (s *Server) updateProxy(r *http.Request, e *entry) (any, error) {
	now, err := e.view()
	if err != nil {
		return nil, err
	}
	input := proxyInput{Listen: now.Listen, Upstream: now.Upstream, Enabled: &now.Enabled}
	if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
		return nil, badRequest(toxiproxy.ErrBadRequestBody, err.Error())
	}
	input.Name = now.Name
	if input.TLS == nil && e.bridge != nil && bridge.IsURL(input.Upstream) {
		input.TLS = &e.tls // as it was
	}
	if err := s.change(r.Context(), e, &input); err != nil {
		return nil, err
	}
	return e.view()
}

func (s *Server) deleteProxy(_ *http.Request, e *entry) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.api.Collection.Remove(e.proxy.Name); err != nil {
		return nil, err //nolint:wrapcheck // toxiproxy's own API error, with its status
	}
	e.hub.Close()
	e.bridge.Close()
	delete(s.entries, e.proxy)
	return nil, nil //nolint:nilnil // a deletion is answered without a body
}

// reset enables all proxies and removes all toxics, ours and toxiproxy's; the
// hubs stay.
func (s *Server) reset(r *http.Request) (any, error) {
	for name := range s.api.Collection.Proxies() {
		e, err := s.entry(name)
		if err != nil {
			continue // deleted meanwhile
		}
		if err := e.proxy.Start(); err != nil &&
			!errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
			return nil, fmt.Errorf("enabling proxy %q: %w", name, err)
		}
		if err := e.removeAll(r.Context()); err != nil {
			return nil, err
		}
	}
	return nil, nil //nolint:nilnil // a reset is answered without a body
}
