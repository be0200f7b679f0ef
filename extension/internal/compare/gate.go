package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Gate is one condition that every run after the base must meet:
//
//	gate     = ["delta."] metric [scope] operator number [unit]
//	metric   = "continuity" | count | quantile "." histogram
//	count    = "attempts" | "held" | "broken" | "retries" | "orphans" | "spans_dropped" | verdict
//	quantile = "p50" | "p95" | "p99.9" | … | "max"
//	scope    = "{" dimension ":" value "}"
//	operator = ">=" | "<=" | ">" | "<" | "==" | "!="
//	unit     = "%" | "us" | "ms" | "s"
//
// Without "delta." the run's own value is checked, with it the value minus the
// base's. A percentage means: for continuity hundredths (of the rate, or of its
// difference: percentage points); for a count its share of all attempts, or
// with "delta." its change relative to the base; for a quantile, only with
// "delta.", its change relative to the base. Durations are milliseconds unless
// a unit says otherwise.
type Gate struct {
	Expr  string // as written, trimmed
	Delta bool
	Scope Scope

	metric    metric
	operator  string
	threshold float64
	percent   bool
}

// Scope narrows a gate to one row of a breakdown; zero means the whole run.
type Scope struct {
	Dimension, Value string
}

// metric names one number of a run; quantile metrics name a histogram too.
type metric struct {
	kind      metricKind
	name      string // count or histogram
	quantile  float64
	quantiled string // as written: p95
}

type metricKind uint8

const (
	metricRate metricKind = iota
	metricCount
	metricQuantile
)

// ParseGate reads a gate expression such as `continuity >= 0.999` or
// `delta.p95.duration_ms <= 10%`.
func ParseGate(expr string) (Gate, error) {
	g := Gate{Expr: strings.TrimSpace(expr)}
	if err := g.parse(); err != nil {
		return Gate{}, fmt.Errorf("parsing gate %q: %w", g.Expr, err)
	}
	return g, nil
}

func (g *Gate) parse() error {
	left, right, err := g.split()
	if err != nil {
		return err
	}
	if left, err = g.parseScope(left); err != nil {
		return err
	}
	name, delta := strings.CutPrefix(left, "delta.")
	g.Delta = delta
	if g.metric, err = parseMetric(name); err != nil {
		return err
	}
	return g.parseThreshold(right)
}

// split cuts the expression at its operator, outside of the scope's braces.
func (g *Gate) split() (left, right string, err error) {
	from := strings.LastIndexByte(g.Expr, '}') + 1
	at := strings.IndexAny(g.Expr[from:], "<>=!")
	if at < 0 {
		return "", "", errors.New("no operator: want one of >=, <=, >, <, ==, !=")
	}
	at += from
	end := at + 1
	for end < len(g.Expr) && strings.IndexByte("<>=!", g.Expr[end]) >= 0 {
		end++
	}
	g.operator = g.Expr[at:end]
	switch g.operator {
	case ">=", "<=", ">", "<", "==", "!=":
	default:
		return "", "", fmt.Errorf("unknown operator %q: want one of >=, <=, >, <, ==, !=",
			g.operator)
	}
	return strings.TrimSpace(g.Expr[:at]), strings.TrimSpace(g.Expr[end:]), nil
}

func (g *Gate) parseScope(left string) (string, error) {
	open := strings.IndexByte(left, '{')
	if open < 0 {
		return left, nil
	}
	inner, closed := strings.CutSuffix(left[open+1:], "}")
	dimension, value, found := strings.Cut(inner, ":")
	if !closed || !found {
		return "", fmt.Errorf("scope %q is not of the form {dimension:value}", left[open:])
	}
	g.Scope = Scope{strings.TrimSpace(dimension), strings.TrimSpace(value)}
	if slices.Contains(dimensionNames(), g.Scope.Dimension) {
		return strings.TrimSpace(left[:open]), nil
	}
	return "", fmt.Errorf("unknown dimension %q: want one of %s",
		g.Scope.Dimension, strings.Join(dimensionNames(), ", "))
}

func parseMetric(name string) (metric, error) {
	if name == rateContinuity {
		return metric{kind: metricRate, name: name}, nil
	}
	if slices.Contains(countNames(), name) {
		return metric{kind: metricCount, name: name}, nil
	}
	if m, ok := parseQuantile(name); ok {
		return m, nil
	}
	return metric{}, fmt.Errorf(
		"unknown metric %q: want %s, %s, or a quantile such as p95.%s of %s",
		name, rateContinuity, strings.Join(countNames(), ", "), histDuration,
		strings.Join(histogramNames(), ", "))
}

func parseQuantile(name string) (metric, bool) {
	// The quantile may hold a dot itself: p99.9.duration_ms.
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return metric{}, false
	}
	m := metric{kind: metricQuantile, name: name[at+1:], quantiled: name[:at], quantile: 1}
	known := slices.Contains(histogramNames(), m.name)
	if m.quantiled == "max" {
		return m, known
	}
	digits, isP := strings.CutPrefix(m.quantiled, "p")
	percent, err := strconv.ParseFloat(digits, 64)
	m.quantile = percent / 100
	return m, known && isP && err == nil && percent > 0 && percent < 100
}

func (g *Gate) parseThreshold(text string) error {
	number, scale := text, 1.0
	for _, unit := range []struct {
		suffix string
		scale  float64
	}{{"%", 0.01}, {"us", 0.001}, {"ms", 1}, {"s", 1000}} {
		cut, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		number, scale = strings.TrimSpace(cut), unit.scale
		g.percent = unit.suffix == "%"
		if !g.percent && g.metric.kind != metricQuantile {
			return fmt.Errorf("unit %q belongs to durations, not to %s", unit.suffix, g.metric.name)
		}
		break
	}
	if g.percent && g.metric.kind == metricQuantile && !g.Delta {
		return fmt.Errorf("a percentage of %s.%s needs delta. in front of it",
			g.metric.quantiled, g.metric.name)
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("threshold %q is not a number with an optional unit %%, us, ms or s",
			text)
	}
	g.threshold = v * scale
	return nil
}

// holds applies the operator. Values within rounding of the threshold are taken
// as equal to it, so that 0.998 - 0.999 meets `>= -0.001`.
func (g Gate) holds(v float64) bool {
	equal := math.Abs(v-g.threshold) <= 1e-12*math.Max(1, math.Abs(g.threshold))
	switch g.operator {
	case ">=":
		return equal || v > g.threshold
	case "<=":
		return equal || v < g.threshold
	case ">":
		return !equal && v > g.threshold
	case "<":
		return !equal && v < g.threshold
	case "==":
		return equal
	default:
		return !equal
	}
}
