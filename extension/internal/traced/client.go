package traced

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Sink takes what the transport knows of the load. Its methods are called from
// the goroutines that send requests and must not block.
//
//	Open ─► Attempt ─► … ─► Attempt ─► Close
//	                    └─► Finish            the last attempt, with its end
//	Whole                                     all of a trace that nobody waited for
type Sink interface {
	// Expects reports whether anything can be heard of a trace that was sent. Then a
	// trace is announced before its first attempt; else when that has ended.
	Expects() bool
	// Open announces a trace.
	Open(id tracecontext.TraceID)
	// Attempt records one round trip that has ended.
	Attempt(a span.Attempt)
	// Close says that the operation has ended: no attempt will follow.
	Close(id tracecontext.TraceID)
	// Finish is Attempt and Close in one.
	Finish(a span.Attempt)
	// Whole is Open, Attempt and Close in one.
	Whole(a span.Attempt)
}

// CaptureHeaders names headers that are recorded on the client span. Names are
// case-insensitive; Sanitize holds regular expressions of names whose values
// are recorded as [REDACTED].
type CaptureHeaders struct {
	Request  []string
	Response []string
	Sanitize []string
}

// ClientConfig is what users set per client, and per request in part.
type ClientConfig struct {
	Service      string   // service.peer.name
	Propagators  []string // nil: the provider's, from OTEL_PROPAGATORS
	Sampler      string   // empty: the provider's, from OTEL_TRACES_SAMPLER
	Ratio        float64  // for the traceidratio samplers
	Correlate    bool     // User-Agent suffix
	Capture      CaptureHeaders
	ExcludedURLs []string // regular expressions
	Continue     bool     // a traceparent of the script is the parent
	RandomFlag   bool     // traceparent says that the trace id is random
	Timings      bool     // record phase durations as attributes
	Baggage      map[string]string
	WantsSpans   bool // hooks look at spans: make them even without export
}

// Validate reports the first option that is out of range.
func (c ClientConfig) Validate() error {
	_, err := compile(c, nil)
	return err
}

// Client sends traced requests. It is safe for concurrent use.
type Client struct {
	provider *Provider
	sink     Sink
	compiled
}

// compiled is a ClientConfig made ready for use.
type compiled struct {
	config      ClientConfig
	propagators []propagator
	sampler     sampler
	excluded    []*regexp.Regexp
	capture     capture
	baggage     string
}

// NewClient makes a client of the provider whose attempts go to sink.
func NewClient(p *Provider, config ClientConfig, sink Sink) (*Client, error) {
	ready, err := compile(config, p)
	if err != nil {
		return nil, err
	}
	return &Client{provider: p, sink: sink, compiled: ready}, nil
}

// With returns the client with another configuration, for one request.
func (c *Client) With(config ClientConfig) (*Client, error) {
	return NewClient(c.provider, config, c.sink)
}

func compile(config ClientConfig, p *Provider) (compiled, error) {
	ready := compiled{config: config}
	var err error
	names, defaults := config.Propagators, []string{"tracecontext", "baggage"}
	if p != nil {
		defaults = p.propagators
	}
	if names == nil {
		names = defaults
	}
	if ready.propagators, err = parsePropagators(names); err != nil {
		return ready, err
	}
	if ready.sampler, err = newSampler(config.Sampler, config.Ratio, p); err != nil {
		return ready, err
	}
	for _, pattern := range config.ExcludedURLs {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return ready, fmt.Errorf("excludedURLs must be regular expressions, got %q: %w",
				pattern, err)
		}
		ready.excluded = append(ready.excluded, re)
	}
	if ready.baggage, err = tracecontext.FormatBaggage(config.Baggage); err != nil {
		return ready, err
	}
	captured := config.Capture
	if p != nil {
		captured = captured.orElse(p.capture)
	}
	ready.capture, err = newCapture(captured)
	return ready, err
}

func (c CaptureHeaders) orElse(other CaptureHeaders) CaptureHeaders {
	if c.Request == nil {
		c.Request = other.Request
	}
	if c.Response == nil {
		c.Response = other.Response
	}
	if c.Sanitize == nil {
		c.Sanitize = other.Sanitize
	}
	return c
}

// excludes reports whether a URL is outside tracing.
func (c *compiled) excludes(url string) bool {
	return matchesAny(c.excluded, url)
}

// excludesRequest is excludes for one round trip: a redirect may lead out of
// tracing.
func (c *compiled) excludesRequest(req *http.Request) bool {
	return len(c.excluded) > 0 && c.excludes(req.URL.String())
}

func matchesAny(patterns []*regexp.Regexp, text string) bool {
	return slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool {
		return re.MatchString(text)
	})
}

// capture is the compiled form of CaptureHeaders.
type capture struct {
	request, response []string
	sanitize          []*regexp.Regexp
}

func newCapture(c CaptureHeaders) (capture, error) {
	ready := capture{request: canonical(c.Request), response: canonical(c.Response)}
	for _, pattern := range c.Sanitize {
		re, err := regexp.Compile("(?i)^(?:" + pattern + ")$")
		if err != nil {
			return ready, fmt.Errorf("captureHeaders.sanitize must be header names or "+
				"regular expressions, got %q: %w", pattern, err)
		}
		ready.sanitize = append(ready.sanitize, re)
	}
	return ready, nil
}

func canonical(names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, http.CanonicalHeaderKey(name))
		}
	}
	return out
}

func (c *capture) sanitizes(name string) bool { return matchesAny(c.sanitize, name) }
