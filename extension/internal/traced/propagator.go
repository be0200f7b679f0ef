package traced

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// carrier is what a propagator injects: the context of one round trip. It holds
// the values of two headers, so that they need no allocations of their own.
type carrier struct {
	op     *Operation
	spanID tracecontext.SpanID
	ids    string // the traceparent that was written; empty for none
	agent  [1]string
	parent [1]string
}

// Places of the ids in a traceparent of version 00.
const (
	idsStart, traceEnd = 3, 35
	spanStart, idsEnd  = 36, 52
)

// traceparent is the header of the round trip. Its parts serve for all texts
// that are made of the two ids.
func (c *carrier) traceparent() string {
	if c.ids == "" {
		c.ids = tracecontext.Traceparent{
			TraceID: c.op.traceID, SpanID: c.spanID, Flags: c.op.flags(),
		}.String()
	}
	return c.ids
}

func (c *carrier) traceID() string  { return c.traceparent()[idsStart:traceEnd] }
func (c *carrier) spanText() string { return c.traceparent()[spanStart:idsEnd] }

// propagator writes one header format into h.
type propagator func(h http.Header, c *carrier)

// propagatorNames is what users are told.
const propagatorNames = "tracecontext, baggage, b3, b3multi, jaeger, xray, none"

func propagatorNamed(name string) (propagator, bool) {
	switch name {
	case "tracecontext":
		return injectTraceContext, true
	case "baggage":
		return injectBaggage, true
	case "b3":
		return injectB3, true
	case "b3multi":
		return injectB3Multi, true
	case "jaeger":
		return injectJaeger, true
	case "xray":
		return injectXRay, true
	default:
		return nil, false
	}
}

// parsePropagators reads propagator names: trimmed, deduplicated, unknown ones
// are an error, "none" stands for none at all.
func parsePropagators(names []string) ([]propagator, error) {
	var out []propagator
	var seen []string
	for _, raw := range names {
		name := strings.TrimSpace(raw)
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		if name == "none" {
			continue
		}
		inject, ok := propagatorNamed(name)
		if !ok {
			return nil, fmt.Errorf("propagators must be of %s, got %q", propagatorNames, raw)
		}
		out = append(out, inject)
	}
	if slices.Contains(seen, "none") && len(seen) > 1 {
		return nil, fmt.Errorf("propagators: none cannot be combined, got %q", names)
	}
	return out, nil
}

// The header names are in net/http's canonical form, so that they can be set
// directly.
const (
	headerTraceparent = "Traceparent"
	headerTracestate  = "Tracestate"
	headerBaggage     = "Baggage"
)

func injectTraceContext(h http.Header, c *carrier) {
	c.parent[0] = c.traceparent()
	h[headerTraceparent] = c.parent[:]
	if c.op.traceState == "" {
		delete(h, headerTracestate)
		return
	}
	h[headerTracestate] = []string{c.op.traceState}
}

// injectBaggage adds the client's members behind those that the script set.
func injectBaggage(h http.Header, c *carrier) {
	if c.op.client.baggage == "" {
		return
	}
	own := h[headerBaggage]
	if len(own) == 0 {
		h[headerBaggage] = []string{c.op.client.baggage}
		return
	}
	merged, dropped := tracecontext.MergeBaggage(own, c.op.client.baggage)
	if dropped > 0 {
		c.op.client.provider.warnOnce("baggage", fmt.Sprintf(
			"baggage: the header that the script sets leaves no room for %d members of "+
				"the client's baggage (64 members and 8192 bytes are allowed)",
			dropped))
	}
	h[headerBaggage] = []string{merged}
}

// injectB3 writes the single b3 header (https://github.com/openzipkin/b3-propagation).
func injectB3(h http.Header, c *carrier) {
	h["B3"] = []string{c.traceID() + "-" + c.spanText() + "-" + c.op.sampled.digit()}
}

// injectB3Multi writes the X-B3 headers. OpenTelemetry forbids to send the
// parent's id with them, so one that the script set goes.
// (https://opentelemetry.io/docs/specs/otel/context/api-propagators/#b3-requirements)
func injectB3Multi(h http.Header, c *carrier) {
	h["X-B3-Traceid"] = []string{c.traceID()}
	h["X-B3-Spanid"] = []string{c.spanText()}
	h["X-B3-Sampled"] = []string{c.op.sampled.digit()}
	delete(h, "X-B3-Parentspanid")
}

// injectJaeger writes uber-trace-id
// (https://www.jaegertracing.io/sdk-migration/#propagation-format).
func injectJaeger(h http.Header, c *carrier) {
	h["Uber-Trace-Id"] = []string{
		c.traceID() + ":" + c.spanText() + ":0:" + c.op.sampled.digit(),
	}
}

// injectXRay writes X-Amzn-Trace-Id
// (https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html).
func injectXRay(h http.Header, c *carrier) {
	id := c.traceID()
	h["X-Amzn-Trace-Id"] = []string{
		"Root=1-" + id[:8] + "-" + id[8:] +
			";Parent=" + c.spanText() + ";Sampled=" + c.op.sampled.digit(),
	}
}

// correlate appends the correlation token unless the script set a User-Agent,
// an empty one included.
func (c *carrier) correlate(header http.Header, defaultAgent string) {
	agents, present := header["User-Agent"]
	switch {
	case !present:
		c.agent[0] = tracecontext.CorrelationToken + c.traceparent()[idsStart:idsEnd]
	case len(agents) == 1 && agents[0] != "" && agents[0] == defaultAgent:
		c.agent[0] = defaultAgent + " " +
			tracecontext.CorrelationToken + c.traceparent()[idsStart:idsEnd]
	default:
		return
	}
	header["User-Agent"] = c.agent[:]
}
