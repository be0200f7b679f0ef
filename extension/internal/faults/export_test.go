package faults

import (
	"context"
	"net/http"
	"net/url"
)

// NewRemoteIn drives a remote toxiproxy whose API is a handler of this process.
func NewRemoteIn(ctx context.Context, host string, handler http.Handler) (Controller, error) {
	return newRemote(ctx, &url.URL{Scheme: "http", Host: host}, inMemory{handler})
}

// LeaseTerm is how long a lease lives without being renewed.
const LeaseTerm = leaseTerm
