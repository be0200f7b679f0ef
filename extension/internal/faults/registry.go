package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// registry is what load generators that share a toxiproxy tell each other.
type registry interface {
	// use says that this load generator uses a proxy.
	use(ctx context.Context, proxy string) error
	// own says that one of us made it.
	own(ctx context.Context, proxy string) error
	// leave ends that. It returns whether the proxy is to be deleted: one of us made
	// it, and nobody uses it any longer.
	leave(ctx context.Context, proxy string) (last bool, err error)
	// lease is the lease of a plan, by its fingerprint.
	lease(plan string) Lease
}

// recordPrefix starts the names of the records; no proxy of a script has it.
const recordPrefix = "continuity."

// records keeps the registry on the server itself, so that nothing else has to
// be there. A record is a proxy that is disabled and never listens; its value
// stands in place of the upstream. Toxiproxy refuses a second proxy of the same
// name, which makes putting a record atomic.
//
//	continuity.made.<proxy>             one of us made the proxy
//	continuity.user.<proxy>.<id>        this load generator uses it
//	continuity.driver.<plan>.<epoch>    see sharedLease
type records struct {
	api *api
	id  string // of this load generator, 16 hexadecimal digits
}

// put makes a record. ErrExists: it is there already.
func (r *records) put(ctx context.Context, name, value string) error {
	return r.api.call(ctx, http.MethodPost, "/proxies", map[string]any{
		"name": name, "listen": "127.0.0.1:0", "upstream": value, "enabled": false,
	}, nil)
}

// set changes a record. ErrNotFound: it has gone.
func (r *records) set(ctx context.Context, name, value string) error {
	return r.api.call(ctx, http.MethodPost, proxyPath(name),
		map[string]any{"upstream": value, "enabled": false}, nil)
}

// list returns the records whose names start with a prefix, by the rest.
func (r *records) list(ctx context.Context, prefix string) (map[string]string, error) {
	all := make(map[string]proxyView)
	if err := r.api.call(ctx, http.MethodGet, "/proxies", nil, &all); err != nil {
		return nil, err
	}
	found := make(map[string]string)
	for name, view := range all {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			found[rest] = view.Upstream
		}
	}
	return found, nil
}

// remove deletes a record if it is there.
func (r *records) remove(ctx context.Context, name string) error {
	err := r.api.call(ctx, http.MethodDelete, proxyPath(name), nil, nil)
	if isNotFound(err) {
		return nil
	}
	return err
}

func (r *records) user(proxy string) string { return recordPrefix + "user." + proxy + "." }
func (r *records) made(proxy string) string { return recordPrefix + "made." + proxy }

// use implements registry.
func (r *records) use(ctx context.Context, proxy string) error {
	if err := r.put(ctx, r.user(proxy)+r.id, r.id); err != nil {
		return fmt.Errorf("registering with toxiproxy: %w", err)
	}
	return nil
}

// own implements registry. A record that is left over from a run that was killed
// says the same.
func (r *records) own(ctx context.Context, proxy string) error {
	if err := r.put(ctx, r.made(proxy), r.id); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("registering with toxiproxy: %w", err)
	}
	return nil
}

// leave implements registry.
func (r *records) leave(ctx context.Context, proxy string) (last bool, err error) {
	if err := r.remove(ctx, r.user(proxy)+r.id); err != nil {
		return false, fmt.Errorf("leaving proxy %q: %w", proxy, err)
	}
	users, err := r.list(ctx, r.user(proxy))
	if err != nil {
		return false, fmt.Errorf("leaving proxy %q: %w", proxy, err)
	}
	for id := range users {
		if len(id) == len(r.id) && !strings.Contains(id, ".") {
			return false, nil
		}
	}
	made, err := r.list(ctx, r.made(proxy))
	if _, ours := made[""]; err != nil || !ours {
		return false, err
	}
	return true, r.remove(ctx, r.made(proxy))
}
