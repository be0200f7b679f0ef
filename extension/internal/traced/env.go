package traced

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// environment reads the OTEL_* variables. An invalid value warns, naming the
// variable, and falls back to the default.
type environment struct {
	get  func(string) string
	warn func(string)
}

func (e environment) invalid(name, value, accepted, fallback string) {
	e.warn(fmt.Sprintf("%s must be %s, got %q: %s", name, accepted, value, fallback))
}

func (e environment) list(name string) []string {
	var out []string
	for item := range strings.SplitSeq(e.get(name), ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// duplicateNames is OTEL_SEMCONV_STABILITY_OPT_IN=http/dup.
func (e environment) duplicateNames() bool {
	return slices.Contains(e.list("OTEL_SEMCONV_STABILITY_OPT_IN"), "http/dup")
}

// methods are the known HTTP methods, replaced as a whole by the variable.
func (e environment) methods() []string {
	if own := e.list("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"); own != nil {
		return own
	}
	return []string{
		"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
	}
}

func (e environment) propagators() []string {
	defaults := []string{"tracecontext", "baggage"}
	names := e.list("OTEL_PROPAGATORS")
	if names == nil {
		return defaults
	}
	if _, err := parsePropagators(names); err != nil {
		e.warn(fmt.Sprintf("OTEL_PROPAGATORS: %v: tracecontext and baggage are used", err))
		return defaults
	}
	return names
}

func (e environment) capture() CaptureHeaders {
	return CaptureHeaders{
		Request:  e.list("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST"),
		Response: e.list("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE"),
		Sanitize: e.list("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"),
	}
}

func (e environment) sampler() sampler {
	name, ratio := e.get("OTEL_TRACES_SAMPLER"), 1.0
	if name == "" {
		name = "parentbased_always_on"
	}
	arg := e.get("OTEL_TRACES_SAMPLER_ARG")
	if arg != "" && strings.HasSuffix(name, "traceidratio") {
		parsed, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(parsed >= 0 && parsed <= 1) {
			e.invalid("OTEL_TRACES_SAMPLER_ARG", arg, "a ratio between 0 and 1", "1 is used")
		} else {
			ratio = parsed
		}
	}
	s, err := newSampler(name, ratio, nil)
	if err != nil {
		e.warn(fmt.Sprintf("OTEL_TRACES_SAMPLER: %v: parentbased_always_on is used", err))
		return sampler{parentBased: true, bound: always}
	}
	return s
}

// flag reads a boolean: true or false in any case, and nothing else.
func (e environment) flag(name string) bool {
	switch value := e.get(name); strings.ToLower(value) {
	case "", "false":
		return false
	case "true":
		return true
	default:
		e.invalid(name, value, "true or false", "false is used")
		return false
	}
}

// number reads a whole number between 1 and most.
func (e environment) number(name string, fallback, most int) int {
	value := e.get(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		e.invalid(name, value, fmt.Sprintf("a whole number between 1 and %d", most),
			strconv.Itoa(fallback)+" is used")
		return fallback
	}
	return n
}

// Bounds of what the environment may ask for.
const (
	maxSpans        = 1 << 22          // queued, or in one batch
	maxMilliseconds = 24 * 3600 * 1000 // a day
)

func (e environment) milliseconds(name string, fallback int) time.Duration {
	return time.Duration(e.number(name, fallback, maxMilliseconds)) * time.Millisecond
}

// exportWorkers is the number of exports in flight.
const exportWorkers = 4

// batching sizes queue and batches for load; OTEL_BSP_* override it.
func (e environment) batching() batching {
	const batchName = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
	b := batching{
		workers: exportWorkers,
		queue:   e.number("OTEL_BSP_MAX_QUEUE_SIZE", 65_536, maxSpans),
		batch:   e.number(batchName, 2_048, maxSpans),
		delay:   e.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 1_000),
		timeout: max(e.exportTimeout(), e.milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 30_000)),
	}
	if b.batch > b.queue {
		if e.get(batchName) != "" {
			e.warn(fmt.Sprintf("%s must be at most the queue's size, got %d: %d is used",
				batchName, b.batch, b.queue))
		}
		b.batch = b.queue
	}
	return b
}

// signal returns the traces variable of an exporter option, else the general one.
func (e environment) signal(option string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + option
	if value = e.get(name); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + option
	return name, e.get(name)
}

// exportTimeout bounds one export with its retries. The exporter's own default
// of 10 s would cut its retry loop of a minute short.
func (e environment) exportTimeout() time.Duration {
	name, _ := e.signal("TIMEOUT")
	return e.milliseconds(name, 30_000)
}
