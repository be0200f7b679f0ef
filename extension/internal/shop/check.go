package shop

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// checkTimeout bounds one look at a service.
const checkTimeout = 3 * time.Second

// Check asks the URL once, such as http://127.0.0.1:8080/healthz, and returns
// an error unless the answer is 200. It is the health check of an image that
// has no shell.
func Check(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("checking %q: %w", url, err)
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		return fmt.Errorf("checking %q: want an http or https URL", url)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req) //nolint:gosec // the user names the address, on purpose
	if err != nil {
		return fmt.Errorf("checking %s: %w", url, err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close() // only read
	switch {
	case err != nil:
		return fmt.Errorf("checking %s: %w", url, err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("checking %s: want status 200, got %s", url, resp.Status)
	}
	return nil
}
