package traced

import (
	"encoding/binary"
	"fmt"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// decision is whether an operation is sampled.
type decision bool

// flags is the decision as traceparent flags.
func (d decision) flags() byte {
	if d {
		return tracecontext.FlagSampled
	}
	return 0
}

// flags is what the operation's traceparent says. Other readers than those of
// level 2 of the specification may refuse the random flag.
// (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag)
func (op *Operation) flags() byte {
	if op.random {
		return op.sampled.flags() | tracecontext.FlagRandom
	}
	return op.sampled.flags()
}

// digit is the decision as the other propagators write it.
func (d decision) digit() string {
	if d {
		return "1"
	}
	return "0"
}

// sampler takes the decision for one operation. The parent's flag counts only
// for the parent-based samplers, and only when there is a parent.
type sampler struct {
	parentBased bool
	bound       uint64 // sampled when the id's low 63 bits are below it
}

const always = uint64(1) << 63

// newSampler makes one of the samplers that OTEL_TRACES_SAMPLER names. The
// empty name stands for the provider's own.
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
func newSampler(name string, ratio float64, p *Provider) (sampler, error) {
	if name == "" {
		if p != nil {
			return p.sampler, nil
		}
		name = "parentbased_always_on"
	}
	if ratio < 0 || ratio > 1 || ratio != ratio {
		return sampler{}, fmt.Errorf("sampling ratio must be between 0 and 1, got %v", ratio)
	}
	switch name {
	case "always_on":
		return sampler{bound: always}, nil
	case "always_off":
		return sampler{}, nil
	case "traceidratio":
		return sampler{bound: uint64(ratio * float64(always))}, nil
	case "parentbased_always_on":
		return sampler{parentBased: true, bound: always}, nil
	case "parentbased_always_off":
		return sampler{parentBased: true}, nil
	case "parentbased_traceidratio":
		return sampler{parentBased: true, bound: uint64(ratio * float64(always))}, nil
	default:
		return sampler{}, fmt.Errorf("sampling must be a ratio or one of always_on, always_off, "+
			"traceidratio, parentbased_always_on, parentbased_always_off, "+
			"parentbased_traceidratio, got %q", name)
	}
}

// sample decides for a trace id; the zero parent is none. The ratio uses the
// same bits of the id as the OpenTelemetry SDK for Go.
func (s sampler) sample(id tracecontext.TraceID, parent tracecontext.Traceparent) decision {
	if s.parentBased && !parent.TraceID.IsZero() {
		return decision(parent.Sampled())
	}
	return binary.BigEndian.Uint64(id[8:16])>>1 < s.bound
}
