package toxics

import (
	"strings"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// carriers are the headers by which the common propagators carry a trace: W3C,
// B3 in one header and in several, Jaeger and X-Ray. Of a request that has more
// than one, the first here speaks for its context.
func carriers() [][]string {
	return [][]string{
		{"traceparent"},
		{"b3"},
		{"x-b3-traceid", "x-b3-spanid"},
		{"uber-trace-id"},
		{"x-amzn-trace-id"},
	}
}

// carried is what carries a request's trace; without names, nothing does.
type carried struct {
	names  []string
	values string
}

func contextOf(h *httpstream.Head) carried {
	for _, names := range carriers() {
		if values, whole := valuesOf(h, names); whole {
			return carried{names, values}
		}
	}
	return carried{}
}

// valuesOf returns the values of headers, and whether all of them are there.
func valuesOf(h *httpstream.Head, names []string) (string, bool) {
	var values []string
	for _, name := range names {
		value, ok := h.Get(name)
		if !ok || value == "" {
			return "", false
		}
		values = append(values, value)
	}
	return strings.Join(values, "\n"), true
}

// change is the mode of an edit of a head that had this context before.
func (c carried) change(h *httpstream.Head) string {
	if len(c.names) == 0 {
		c = contextOf(h) // one that was set counts as changed
		if len(c.names) == 0 {
			return "request"
		}
		return "context-changed"
	}
	switch values, whole := valuesOf(h, c.names); {
	case !whole:
		return "context-removed"
	case values != c.values:
		return "context-changed"
	default:
		return "request"
	}
}
