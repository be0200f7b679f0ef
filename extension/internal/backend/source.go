package backend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Status is what a source says about a trace.
type Status uint8

const (
	// Absent means that the source has nothing of the trace, so far.
	Absent Status = iota
	// Found means that these are the spans that the source has.
	Found
	// Partial means that the source has more than it returned, and says so.
	Partial
)

// Source is a store of traces that can be asked for one by its id.
//
// An error means that nothing is known about the trace; it says why. With
// Partial the records are valid and the error is the source's own reason.
// Implementations are safe for concurrent use.
type Source interface {
	Fetch(ctx context.Context, id tracecontext.TraceID) ([]span.Record, Status, error)
	// Check finds out whether the source is there and is what it should be, so
	// that a wrong address is not mistaken for traces that are not found.
	Check(ctx context.Context) error
}

// Kind names a type of source, as the option `source` writes it.
type Kind string

// The kinds of sources.
const (
	KindOTLP   Kind = "otlp"
	KindJaeger Kind = "jaeger"
	KindTempo  Kind = "tempo"
	KindFile   Kind = "file"
	KindNone   Kind = "none"
)

// accepted is what an error about the option offers instead.
const accepted = "accepted are 'otlp', 'jaeger=URL', 'tempo=URL', 'file=GLOB' and 'none'"

// Spec is a parsed source option.
type Spec struct {
	Kind Kind
	URL  *url.URL // base address of Jaeger or Tempo
	Glob string   // pattern of a file source
}

// String writes the option as it was given, without a password.
func (s Spec) String() string {
	switch {
	case s.URL != nil:
		return string(s.Kind) + "=" + s.URL.Redacted()
	case s.Glob != "":
		return string(s.Kind) + "=" + s.Glob
	default:
		return string(s.Kind)
	}
}

// ParseSource reads the option `source`; empty means the embedded receiver.
func ParseSource(option string) (Spec, error) {
	kind, value, hasValue := strings.Cut(strings.TrimSpace(option), "=")
	spec := Spec{Kind: Kind(kind)}
	switch spec.Kind {
	case "":
		if hasValue {
			return Spec{}, fmt.Errorf("source %q has no kind: %s", option, accepted)
		}
		return Spec{Kind: KindOTLP}, nil
	case KindOTLP, KindNone:
		if hasValue {
			return Spec{}, fmt.Errorf("source %q: %q takes no value: %s", option, kind, accepted)
		}
		return spec, nil
	case KindJaeger, KindTempo:
		u, err := parseBase(value)
		if err != nil {
			return Spec{}, fmt.Errorf("source %s: %w, for example '%s=http://127.0.0.1:%d'",
				kind, err, kind, defaultPort(spec.Kind))
		}
		spec.URL = u
		return spec, nil
	case KindFile:
		if value == "" {
			return Spec{}, errors.New("source file needs a file name or pattern, " +
				"for example 'file=results/spans-*.json'")
		}
		if _, err := filepath.Match(value, ""); err != nil {
			return Spec{}, fmt.Errorf("source file: pattern %q is malformed: %w", value, err)
		}
		spec.Glob = value
		return spec, nil
	default:
		return Spec{}, fmt.Errorf("source %q is unknown: %s", kind, accepted)
	}
}

func defaultPort(k Kind) int {
	if k == KindTempo {
		return 3200
	}
	return 16686
}

// parseBase accepts an absolute http or https URL without query and fragment.
// Its errors do not repeat the value, which may hold a password.
func parseBase(value string) (*url.URL, error) {
	u, err := url.Parse(value)
	switch {
	case value == "":
		return nil, errors.New("a URL is required")
	case err != nil:
		return nil, errors.New("the URL is malformed")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL must start with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL must name a host")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL must have neither query nor fragment")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}
