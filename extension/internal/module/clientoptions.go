package module

import (
	"fmt"
	"maps"
	"strings"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// clientOptions are the options of a client or, changed, of one request.
type clientOptions struct {
	config       traced.ClientConfig
	retry        traced.Retry
	scope        string
	template     string
	requestHook  sobek.Callable
	responseHook sobek.Callable
	urlFilter    sobek.Callable
}

func defaultClientOptions() clientOptions {
	return clientOptions{
		config: traced.ClientConfig{Correlate: true, Ratio: 1},
		retry:  traced.DefaultRetry(), scope: "request",
	}
}

// readClientOptions applies an options object to base. The path starts errors.
func readClientOptions(
	rt *sobek.Runtime, path string, value sobek.Value, base clientOptions,
) (clientOptions, error) {
	o := readOptions(rt, path, value)
	c := base
	o.str("service", &c.config.Service)
	o.str("template", &c.template)
	o.strings("propagators", &c.config.Propagators)
	readSampling(rt, o, &c.config)
	readRetry(rt, o, &c.retry)
	readCapture(rt, o, &c.config.Capture)
	o.strings("excludedURLs", &c.config.ExcludedURLs)
	readCorrelate(o, &c.config)
	o.flag("timings", &c.config.Timings)
	o.flag("continue", &c.config.Continue)
	o.flag("randomFlag", &c.config.RandomFlag)
	baggage := maps.Clone(c.config.Baggage)
	o.labels("baggage", &baggage)
	c.config.Baggage = baggage
	for name, hook := range map[string]*sobek.Callable{
		"requestHook": &c.requestHook, "responseHook": &c.responseHook, "urlFilter": &c.urlFilter,
	} {
		if fn := o.callable(name); fn != nil {
			*hook = fn
		}
	}
	if !strings.HasSuffix(path, "params.trace") {
		o.str("scope", &c.scope)
		if c.scope != "request" && c.scope != "iteration" {
			o.fail("scope", `must be "request" or "iteration"`, c.scope)
		}
	}
	c.config.WantsSpans = c.requestHook != nil || c.responseHook != nil
	if err := o.done(); err != nil {
		return c, err
	}
	if err := c.config.Validate(); err != nil {
		return c, fmt.Errorf("%s.%w", path, err)
	}
	if err := c.retry.Validate(); err != nil {
		return c, fmt.Errorf("%s.%w", path, err)
	}
	return c, nil
}

// readSampling reads a ratio, a sampler's name, or {sampler, ratio}. What is not
// said has its default, not what the client says.
func readSampling(rt *sobek.Runtime, o *options, config *traced.ClientConfig) {
	v, ok := o.lookup("sampling")
	if !ok {
		return
	}
	config.Sampler, config.Ratio = "", 1
	switch v := v.(type) {
	case int64, float64:
		o.number("sampling", &config.Ratio)
		config.Sampler = samplerOfRatio
	case string:
		config.Sampler = v
	case map[string]any:
		nested := o.nested(rt, "sampling")
		nested.str("sampler", &config.Sampler)
		nested.number("ratio", &config.Ratio)
		if config.Sampler == "" && nested.has("ratio") {
			config.Sampler = samplerOfRatio
		}
		o.join(nested)
	default:
		o.fail("sampling",
			"must be a ratio, the name of a sampler, or an object with sampler and ratio", v)
	}
}

// samplerOfRatio is the sampler that a ratio alone stands for.
const samplerOfRatio = "traceidratio"

// readRetry reads a number of attempts or the whole policy.
func readRetry(rt *sobek.Runtime, o *options, r *traced.Retry) {
	v, ok := o.lookup("retry")
	if !ok {
		return
	}
	if _, isNumber := toFloat(v); isNumber {
		o.integer("retry", &r.Attempts)
		return
	}
	if _, isObject := v.(map[string]any); !isObject {
		o.fail("retry", "must be a number of attempts or an object", v)
		return
	}
	nested := o.nested(rt, "retry")
	nested.integer("attempts", &r.Attempts)
	nested.integers("statuses", &r.Statuses)
	nested.flag("errors", &r.Errors)
	nested.strings("methods", &r.Methods)
	nested.flag("respectRetryAfter", &r.RespectRetryAfter)
	backoff := nested.nested(rt, "backoff")
	backoff.duration("initial", &r.Initial)
	backoff.duration("max", &r.Max)
	backoff.number("multiplier", &r.Multiplier)
	backoff.number("jitter", &r.Jitter)
	nested.join(backoff)
	o.join(nested)
}

func readCapture(rt *sobek.Runtime, o *options, c *traced.CaptureHeaders) {
	nested := o.nested(rt, "captureHeaders")
	nested.strings("request", &c.Request)
	nested.strings("response", &c.Response)
	nested.strings("sanitize", &c.Sanitize)
	o.join(nested)
}

func readCorrelate(o *options, config *traced.ClientConfig) {
	how := "user-agent"
	if !config.Correlate {
		how = "off"
	}
	o.str("correlate", &how)
	if how != "user-agent" && how != "off" {
		o.fail("correlate", `must be "user-agent" or "off"`, how)
	}
	config.Correlate = how == "user-agent"
}

// forRequest applies params.trace; without it the options are the client's own.
func (c *clientOptions) forRequest(
	rt *sobek.Runtime, params *sobek.Object,
) (*clientOptions, error) {
	if params == nil {
		return c, nil
	}
	value := params.Get("trace")
	if common.IsNullish(value) {
		return c, nil
	}
	changed, err := readClientOptions(rt, "params.trace", value, *c)
	return &changed, err
}
