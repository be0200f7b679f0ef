package server

import (
	"context"
	"fmt"
	"net/http"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/xk6-continuity/xk6-continuity/toxics/bridge"
)

// bridge makes the bridge to an https upstream; nil for another.
func (s *Server) bridge(ctx context.Context, input *proxyInput) (*bridge.Bridge, error) {
	if !bridge.IsURL(input.Upstream) {
		if input.TLS != nil {
			return nil, refused(fmt.Errorf("tls is for https upstreams, got the upstream %q",
				input.Upstream))
		}
		return nil, nil //nolint:nilnil // a nil bridge is one that is not there
	}
	name, upstream := input.Name, input.Upstream
	out, err := bridge.New(ctx, bridge.Config{
		Name: name, Upstream: upstream, TLS: input.tls(),
		Warn: func(message string) {
			s.api.Logger.Error().Str("name", name).Str("upstream", upstream).
				Str("error", message).Msg("Unable to reach the https upstream:")
		},
	})
	if err != nil {
		return nil, &toxiproxy.ApiError{Message: err.Error(), StatusCode: http.StatusBadRequest}
	}
	return out, nil
}

// address is what toxiproxy connects to.
func (e *entry) address() string {
	if e.bridge != nil {
		return e.bridge.Addr()
	}
	return e.upstream
}

// change updates a proxy. A field that the input does not have keeps its value.
// The entry's lock is held.
func (s *Server) change(ctx context.Context, e *entry, input *proxyInput) error {
	next := &entry{upstream: input.Upstream, tls: input.tls(), bridge: e.bridge}
	moved := next.upstream != e.upstream || next.tls != e.tls
	if moved {
		var err error
		if next.bridge, err = s.bridge(ctx, input); err != nil {
			return err
		}
	}
	err := e.proxy.Update(&toxiproxy.Proxy{
		Listen: input.Listen, Upstream: next.address(), Enabled: input.enabled(),
	})
	if err != nil {
		if moved && e.proxy.Upstream != next.address() {
			next.bridge.Close()
			return fmt.Errorf("updating proxy %q: %w", e.proxy.Name, err)
		}
		err = fmt.Errorf("updating proxy %q: %w", e.proxy.Name, err)
	}
	if moved {
		e.bridge.Close()
		e.upstream, e.tls, e.bridge = next.upstream, next.tls, next.bridge
	}
	return err
}
