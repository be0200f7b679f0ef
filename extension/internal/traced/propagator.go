package traced

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// carrier is what a propagator injects.
type carrier struct {
	traceID    tracecontext.TraceID
	spanID     tracecontext.SpanID
	parentID   tracecontext.SpanID
	sampled    bool
	traceState string
	baggage    string
}

func (c carrier) flags() byte {
	if c.sampled {
		return tracecontext.FlagSampled
	}
	return 0
}

// propagator writes one header format into h.
type propagator func(h http.Header, c carrier)

// parsePropagators reads propagator names: trimmed, deduplicated, unknown ones
// are an error, "none" stands for none at all.
func parsePropagators(names []string) ([]propagator, error) {
	known := []struct {
		name   string
		inject propagator
	}{
		{"tracecontext", injectTraceContext},
		{"baggage", injectBaggage},
		{"b3", injectB3},
		{"b3multi", injectB3Multi},
		{"jaeger", injectJaeger},
		{"xray", injectXRay},
		{"none", nil},
	}
	var out []propagator
	var seen []string
	for _, raw := range names {
		name := strings.TrimSpace(raw)
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		found := false
		for _, k := range known {
			if k.name != name {
				continue
			}
			found = true
			if k.inject != nil {
				out = append(out, k.inject)
			}
		}
		if !found {
			return nil, fmt.Errorf("propagators must be of tracecontext, baggage, b3, b3multi, jaeger, xray, none; "+
				"got %q", raw)
		}
	}
	if slices.Contains(seen, "none") {
		if len(seen) > 1 {
			return nil, fmt.Errorf("propagators: none cannot be combined, got %q", names)
		}
		return nil, nil
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

func injectTraceContext(h http.Header, c carrier) {
	h[headerTraceparent] = []string{tracecontext.Traceparent{
		TraceID: c.traceID, SpanID: c.spanID, Flags: c.flags(),
	}.String()}
	if c.traceState == "" {
		delete(h, headerTracestate)
		return
	}
	h[headerTracestate] = []string{c.traceState}
}

// injectBaggage adds the client's members behind those that the script set.
func injectBaggage(h http.Header, c carrier) {
	if c.baggage == "" {
		return
	}
	if own := h.Values(headerBaggage); len(own) > 0 {
		h[headerBaggage] = []string{strings.Join(append(slices.Clone(own), c.baggage), ",")}
		return
	}
	h[headerBaggage] = []string{c.baggage}
}

// injectB3 writes the single b3 header (https://github.com/openzipkin/b3-propagation).
func injectB3(h http.Header, c carrier) {
	h["B3"] = []string{c.traceID.String() + "-" + c.spanID.String() + "-" + digit(c.sampled)}
}

// injectB3Multi writes the X-B3 headers (https://github.com/openzipkin/b3-propagation).
func injectB3Multi(h http.Header, c carrier) {
	h["X-B3-Traceid"] = []string{c.traceID.String()}
	h["X-B3-Spanid"] = []string{c.spanID.String()}
	h["X-B3-Sampled"] = []string{digit(c.sampled)}
	if !c.parentID.IsZero() {
		h["X-B3-Parentspanid"] = []string{c.parentID.String()}
	}
}

// injectJaeger writes uber-trace-id
// (https://www.jaegertracing.io/sdk-migration/#propagation-format).
func injectJaeger(h http.Header, c carrier) {
	h["Uber-Trace-Id"] = []string{c.traceID.String() + ":" + c.spanID.String() + ":0:" + digit(c.sampled)}
}

// injectXRay writes X-Amzn-Trace-Id
// (https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader).
func injectXRay(h http.Header, c carrier) {
	id := c.traceID.String()
	h["X-Amzn-Trace-Id"] = []string{
		"Root=1-" + id[:8] + "-" + id[8:] + ";Parent=" + c.spanID.String() + ";Sampled=" + digit(c.sampled),
	}
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
