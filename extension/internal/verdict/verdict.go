package verdict

import (
	"fmt"
	"strings"
)

// Verdict says whether the trace of one attempt survived.
type Verdict uint8

// The verdicts, in the order in which reports list them.
const (
	Continued Verdict = iota
	Duplicated
	Restarted
	Reparented
	SpanLost
	Missing
	NotDelivered
	Undecided
	Unsampled
	Excluded
	count
)

// String returns the verdict's name in reports and metric tags.
func (v Verdict) String() string {
	switch v {
	case Continued:
		return "continued"
	case Duplicated:
		return "duplicated"
	case Restarted:
		return "restarted"
	case Reparented:
		return "reparented"
	case SpanLost:
		return "span_lost"
	case Missing:
		return "missing"
	case NotDelivered:
		return "not_delivered"
	case Undecided:
		return "undecided"
	case Unsampled:
		return "unsampled"
	case Excluded:
		return "excluded"
	default:
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
}

// All lists the verdicts in report order.
func All() []Verdict {
	out := make([]Verdict, 0, count)
	for v := range count {
		out = append(out, v)
	}
	return out
}

// Parse returns the verdict of that name.
func Parse(name string) (Verdict, error) {
	names := make([]string, 0, count)
	for _, v := range All() {
		if v.String() == name {
			return v, nil
		}
		names = append(names, v.String())
	}
	return 0, fmt.Errorf("verdict must be one of %s, got %q", strings.Join(names, ", "), name)
}

// Held reports whether the trace survived.
func (v Verdict) Held() bool { return v == Continued || v == Duplicated }

// Broken reports whether the trace did not survive.
func (v Verdict) Broken() bool {
	switch v {
	case Restarted, Reparented, SpanLost, Missing:
		return true
	default:
		return false
	}
}

// Expected reports whether the verdict counts for continuity, which is
// held / (held + broken).
func (v Verdict) Expected() bool { return v.Held() || v.Broken() }
