package toxics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// latencyFault is http_latency: it delays single requests or responses.
type latencyFault struct {
	On           string  `json:"on"`           // "response" (default) or "request"
	Latency      int     `json:"latency"`      // milliseconds
	Jitter       int     `json:"jitter"`       // milliseconds; the spread of the distribution
	Distribution string  `json:"distribution"` // "uniform" (default), "normal" or "pareto"
	Shape        float64 `json:"shape"`        // of pareto, above 1; default 3
}

// maxLatency keeps a typing error from holding a connection for ever.
const maxLatency = 600_000

func (f *latencyFault) validate() error {
	if f.Distribution == "" {
		f.Distribution = "uniform"
	}
	if f.Shape == 0 {
		f.Shape = 3
	}
	switch {
	case f.Latency < 0 || f.Latency > maxLatency:
		return fmt.Errorf(
			"latency must be between 0 and %d milliseconds, got %d",
			maxLatency,
			f.Latency,
		)
	case f.Jitter < 0 || f.Jitter > maxLatency:
		return fmt.Errorf(
			"jitter must be between 0 and %d milliseconds, got %d",
			maxLatency,
			f.Jitter,
		)
	case f.Shape <= 1 || math.IsNaN(f.Shape):
		return fmt.Errorf("shape must be above 1, got %v", f.Shape)
	}
	if err := oneOf("distribution", f.Distribution, "uniform", "normal", "pareto"); err != nil {
		return err
	}
	return oneOf("on", f.On, "request", "response")
}

func (f *latencyFault) mode() string { return f.On }

func (f *latencyFault) request(x *exchange, r *rule, key uint64) {
	delay := f.delay(rand.New(rand.NewPCG( //nolint:gosec // a load test's jitter needs no secrecy
		key, r.picker.salt)))
	if delay == 0 {
		return
	}
	if f.On == "request" {
		x.requestDelay += delay
		x.inject(r, f.On)
	} else {
		x.responseDelay += delay
		x.injectLater(r, f.On)
	}
}

func (f *latencyFault) delay(random *rand.Rand) time.Duration {
	base, spread := float64(f.Latency), float64(f.Jitter)
	switch f.Distribution {
	case "normal":
		base += random.NormFloat64() * spread
	case "pareto":
		base += spread * (math.Pow(1-random.Float64(), -1/f.Shape) - 1)
	default:
		base += (2*random.Float64() - 1) * spread
	}
	return time.Duration(min(max(base, 0), maxLatency) * float64(time.Millisecond))
}
