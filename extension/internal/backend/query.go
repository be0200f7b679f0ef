package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Defaults of QueryConfig.
const (
	DefaultTimeout  = 5 * time.Second
	DefaultMaxBytes = 64 << 20
)

// QueryConfig is what Jaeger and Tempo sources have in common.
type QueryConfig struct {
	URL      *url.URL      // base address
	Tenant   string        // X-Scope-OrgID; empty sends none
	Header   http.Header   // further headers, for instance Authorization
	Timeout  time.Duration // of one query; 0 means DefaultTimeout
	MaxBytes int64         // of one answer, unpacked; 0 means DefaultMaxBytes

	// Transport makes the queries; nil means one of the source's own.
	Transport http.RoundTripper
}

// NewSource makes the source of a Jaeger or Tempo spec.
func NewSource(spec Spec, cfg QueryConfig) (Source, error) {
	cfg.URL = spec.URL
	switch spec.Kind {
	case KindJaeger:
		return NewJaeger(cfg), nil
	case KindTempo:
		return NewTempo(cfg), nil
	default:
		return nil, fmt.Errorf("source %q is not one that is asked by trace id", spec.Kind)
	}
}

// notFoundError is the error of a 404 answer; it holds the start of the body.
type notFoundError []byte

// Error describes the answer.
func (n notFoundError) Error() string { return "status 404: " + excerpt(n) }

// query asks one backend over HTTP.
type query struct {
	cfg      QueryConfig
	client   *http.Client
	decoders sync.Pool // of *otlp.Decoder
}

func newQuery(cfg QueryConfig) *query {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second,
		}
	}
	q := &query{cfg: cfg, client: &http.Client{Transport: cfg.Transport}}
	first := otlp.NewDecoder()
	q.decoders.New = func() any { return first.Sibling() }
	return q
}

// CloseIdle closes connections that are kept for further queries.
func (q *query) CloseIdle() { q.client.CloseIdleConnections() }

// get asks for a path and returns the whole body of a 200 answer. Its
// Content-Type must mention format; an empty format allows any.
func (q *query) get(ctx context.Context, path, rawQuery, accept, format string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, q.cfg.Timeout,
		fmt.Errorf("no answer within %v", q.cfg.Timeout))
	defer cancel()
	u := *q.cfg.URL
	u.Path += path
	u.RawQuery = rawQuery
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("making query: %w", err)
	}
	maps.Copy(req.Header, q.cfg.Header)
	req.Header.Set("Accept", accept)
	if q.cfg.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", q.cfg.Tenant)
	}
	resp, err := q.client.Do(req) //nolint:gosec // the user names the backend
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as needed
	return q.readAnswer(ctx, resp, format)
}

// unreachable shortens an error of the transport to its cause: the address is
// in the configuration, and a query for each trace id would only obscure it.
func unreachable(ctx context.Context, err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	cause := context.Cause(ctx)
	switch {
	case cause == nil: // a time limit of the transport's own
		return err
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, cause):
		return err
	case errors.Is(cause, context.DeadlineExceeded): // the caller's
		return errSettled
	default:
		return cause
	}
}

// errSettled is what became of a query that had less time than its own.
var errSettled = errors.New("no answer by the end of the settle time")

func (q *query) readAnswer(
	ctx context.Context, resp *http.Response, format string,
) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, q.cfg.MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading answer: %w", unreachable(ctx, err))
	case int64(len(body)) > q.cfg.MaxBytes:
		return nil, fmt.Errorf("the answer exceeds %d bytes", q.cfg.MaxBytes)
	case resp.StatusCode == http.StatusNotFound:
		return nil, notFoundError(body)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, excerpt(body))
	case !strings.Contains(resp.Header.Get("Content-Type"), format):
		return nil, fmt.Errorf("the answer is %s, not %s",
			excerpt([]byte(resp.Header.Get("Content-Type"))), format)
	default:
		return body, nil
	}
}

// excerpt makes the start of foreign text fit for a message of one line.
func excerpt(b []byte) string {
	const longest = 120
	if len(b) == 0 {
		return "nothing"
	}
	b = b[:min(len(b), longest)]
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), "?")))
}

// decode collects the spans of one trace with a borrowed decoder.
func (q *query) decode(
	id tracecontext.TraceID,
	read func(*otlp.Decoder, func([]span.Record)) (otlp.Result, error),
) ([]span.Record, error) {
	d, ok := q.decoders.Get().(*otlp.Decoder)
	if !ok {
		d = otlp.NewDecoder()
	}
	defer q.decoders.Put(d)
	var records []span.Record
	result, err := read(d, func(batch []span.Record) {
		for i := range batch {
			if batch[i].TraceID == id {
				records = append(records, batch[i])
			}
		}
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading answer: %w", err)
	case result.Rejected > 0:
		return nil, fmt.Errorf("reading answer: %d spans are unusable: %s",
			result.Rejected, result.Reason)
	case result.Spans > len(records):
		return nil, errors.New("the answer holds spans of another trace")
	}
	return records, nil
}

// statusOf says Absent for an answer without spans.
func statusOf(records []span.Record) Status {
	if len(records) == 0 {
		return Absent
	}
	return Found
}
