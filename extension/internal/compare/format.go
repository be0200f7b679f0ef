package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// maxName and maxLine are how many characters are shown of a foreign name and
// of a line that holds several.
const (
	maxName = 80
	maxLine = 400
)

// legend says how to read the marks and intervals of tables.
const legend = "~ chance explains it, = no difference, ? too few observations. Intervals\n" +
	"are of 95 %: the run's continuity alone, the rows of a table together. Those of\n" +
	"durations allow for slow seconds. Those of rates take attempts as independent: where\n" +
	"many break at once, they are too narrow. None knows how runs of one system differ:\n" +
	"repeat the runs."

// name makes a string that somebody else chose fit for one cell of a table.
func name(s string) string { return cut(Clean(s), maxName) }

// line makes a string that holds foreign names fit for a line of its own.
func line(s string) string { return cut(Clean(s), maxLine) }

// cut takes the middle out of a string that is too long.
func cut(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	half := (limit - 1) / 2
	return string(runes[:half]) + "…" + string(runes[len(runes)-half:])
}

// Clean makes a string that a service chose fit for a terminal: control, format
// and invalid characters are shown as an escape instead of being obeyed.
func Clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == unicode.ReplacementChar || unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// percent prints a rate as a percentage, with as many decimals as it takes not
// to round something to nothing or nearly all to all.
func percent(rate float64) string {
	for decimals := 2; ; decimals++ {
		text := strconv.FormatFloat(rate*100, 'f', decimals, 64)
		rounded, _ := strconv.ParseFloat(text, 64)
		full := (rounded == 0 && rate != 0) || (math.Abs(rounded) == 100 && math.Abs(rate) != 1)
		if !full || decimals >= 9 {
			return text
		}
	}
}

// milliseconds prints a duration with three significant digits or more.
func milliseconds(v float64) string {
	decimals := 0
	switch a := math.Abs(v); {
	case a < 0.0005:
	case a < 1:
		decimals = 3
	case a < 10:
		decimals = 2
	case a < 100:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// number prints a value in its unit, without the unit's name.
func number(v float64, u Unit) string {
	switch u {
	case UnitRate:
		return percent(v)
	case UnitMS:
		return milliseconds(v)
	default:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
}

// suffix is the unit of a value, changeSuffix that of a difference.
func suffix(u Unit) string {
	switch u {
	case UnitRate:
		return " %"
	case UnitMS:
		return " ms"
	default:
		return ""
	}
}

func changeSuffix(u Unit) string {
	if u == UnitRate {
		return " pp"
	}
	return suffix(u)
}

func valueText(v *Value, u Unit) string {
	if v == nil {
		return "-"
	}
	return number(v.Value, u) + suffix(u)
}

// signed prints a difference with its sign.
func signed(v float64, u Unit) string {
	text := number(v, u)
	if v > 0 {
		text = "+" + text
	}
	return text
}

func changeText(r Row) string {
	if r.Change == nil {
		return ""
	}
	return signed(r.Change.Absolute, r.Unit) + changeSuffix(r.Unit)
}

func relativeText(r Row) string {
	if r.Change == nil || r.Change.Relative == nil {
		return ""
	}
	return signed(*r.Change.Relative, UnitRate) + " %"
}

func limitsText(r Row) string {
	if r.Change == nil || r.Level == 0 {
		return ""
	}
	return "[" + signed(r.Change.Low, r.Unit) + ", " + signed(r.Change.High, r.Unit) + "]"
}

// markText is how a mark is printed: noise is `~`, as in benchstat.
func markText(m Mark) string {
	switch m {
	case MarkEqual:
		return "="
	case MarkNoise:
		return "~"
	case MarkUnknown:
		return "?"
	default:
		return string(m)
	}
}

// plural joins a count and its noun: 1 row, 2 rows.
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// request is the method and the name of an example; some names hold the method.
func request(e Example) string {
	if strings.HasPrefix(e.Name, e.Method+" ") {
		return e.Name
	}
	return strings.TrimSpace(e.Method + " " + e.Name)
}

// exampleText is an example in one line of clean text.
func exampleText(e Example) string {
	parts := []string{"trace " + name(e.TraceID)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if e.SpanID != "" {
		add("span %s", name(e.SpanID))
	}
	if request := request(e); request != "" {
		add("%s", name(request))
	}
	if e.Phase != "" {
		add("phase %s", name(e.Phase))
	}
	if e.Attempt > 0 {
		add("attempt %d", e.Attempt)
	}
	if e.Status > 0 {
		add("status %d", e.Status)
	}
	if e.Reason != "" {
		add("%s", name(e.Reason))
	}
	return strings.Join(parts, ", ")
}
