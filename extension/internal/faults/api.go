package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/toxics/bridge"
)

const (
	callTimeout = 10 * time.Second // of one call of the API
	maxAnswer   = 16 << 20         // bytes of an answer
)

// api calls toxiproxy's HTTP API (https://github.com/Shopify/toxiproxy#http-api).
// Toxiproxy's own Go client is not used: it takes no context and no transport,
// does not escape names, and drops the counts of HTTP toxics.
type api struct {
	base string // without a final slash
	http *http.Client
}

// apiError is an error answer of the server.
type apiError struct {
	Message string `json:"error"`
	Status  int    `json:"status"`
}

// Error is the server's own message.
func (e *apiError) Error() string { return e.Message }

// Is makes the statuses that matter comparable.
func (e *apiError) Is(target error) bool {
	return target == ErrExists && e.Status == http.StatusConflict ||
		target == ErrNotFound && e.Status == http.StatusNotFound
}

// proxyView is a proxy as the API shows it.
type proxyView struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  bool   `json:"enabled"`

	UpstreamErrors bridge.Failures `json:"upstream_errors"`
}

// proxyPath is the path of a proxy in the API, or of something in it.
func proxyPath(proxy string, rest ...string) string {
	parts := make([]string, 0, 2+len(rest))
	for _, part := range append([]string{"proxies", proxy}, rest...) {
		parts = append(parts, url.PathEscape(part))
	}
	return "/" + strings.Join(parts, "/")
}

// call sends in as JSON, unless it is nil, and decodes the answer into out,
// unless that is nil.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("asking toxiproxy: %w", err)
		}
		body = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return fmt.Errorf("asking toxiproxy: %w", err)
	}
	req.Header.Set("User-Agent", "xk6-continuity")
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.http.Do(req) //nolint:gosec // the user named the server
	if err != nil {
		return fmt.Errorf("asking toxiproxy: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading toxiproxy's answer: %w", err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return refusal(resp, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("reading toxiproxy's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// refusal is the error of an answer that is no success.
func refusal(resp *http.Response, text []byte) error {
	failure := &apiError{}
	if json.Unmarshal(text, failure) != nil || failure.Message == "" {
		failure.Message = "toxiproxy answered " + resp.Status
	}
	failure.Status = resp.StatusCode
	failure.Message = strings.TrimSpace(failure.Message)
	return failure
}

// isNotFound tells an answer that there is no such thing from other errors.
func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
