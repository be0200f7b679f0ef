package tracecontext_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/baggage"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// FuzzParseTraceparent: what is accepted formats to what it was, in version 00.
func FuzzParseTraceparent(f *testing.F) {
	for _, c := range traceparentCases() {
		for _, h := range c.headers {
			f.Add(h.value)
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		parsed, err := tracecontext.ParseTraceparent(value)
		if err != nil {
			if parsed != (tracecontext.Traceparent{}) {
				t.Fatalf("%q: an error with a result: %v", value, parsed)
			}
			return
		}
		trimmed := strings.Trim(value, " \t")
		if got, want := parsed.String(), "00"+trimmed[2:55]; got != want {
			t.Fatalf("%q: got %q, want %q", value, got, want)
		}
		again, err := tracecontext.ParseTraceparent(parsed.String())
		if err != nil || again != parsed {
			t.Fatalf("%q: does not survive a round trip: %v %v", value, again, err)
		}
	})
}

// FuzzParseTracestate: what is accepted is within the limits and is accepted
// again, unchanged.
func FuzzParseTracestate(f *testing.F) {
	for _, c := range tracestateCases() {
		for _, h := range c.headers {
			f.Add(h.value, "foo=1")
		}
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		state, err := tracecontext.ParseTracestate([]string{first, second})
		if err != nil {
			if state != "" {
				t.Fatalf("an error with a result: %q", state)
			}
			return
		}
		if n := strings.Count(state, ",") + 1; n > 32 || strings.ContainsAny(state, "\t\r\n") {
			t.Fatalf("%d members in %q", n, state)
		}
		again, err := tracecontext.ParseTracestate([]string{state})
		if err != nil || again != state {
			t.Fatalf("%q became %q: %v", state, again, err)
		}
	})
}

// FuzzBaggage: OpenTelemetry reads what is formatted, and merging keeps the
// bytes of the script.
func FuzzBaggage(f *testing.F) {
	f.Add("user", "Zoë", "a=1;p=2, b = %20")
	f.Add("k", "a b,c;d\\e\"f%", "")
	f.Add("bad key", "", ",,;=,")
	f.Add("a", "=", "a;p")
	f.Fuzz(func(t *testing.T, key, value, own string) {
		text, err := tracecontext.FormatBaggage(map[string]string{key: value})
		if err != nil {
			return
		}
		if utf8.ValidString(value) {
			parsed, err := baggage.Parse(text)
			if err != nil {
				t.Fatalf("OpenTelemetry cannot read %q: %v", text, err)
			}
			if got := parsed.Member(key).Value(); got != value {
				t.Fatalf("%q: OpenTelemetry reads %q, want %q", text, got, value)
			}
		}
		merged, dropped := tracecontext.MergeBaggage([]string{own}, text)
		if !strings.HasPrefix(merged, own) {
			t.Fatalf("%q is not the start of %q", own, merged)
		}
		if len(own) <= 8192 && len(merged) > 8192 || dropped > 1 {
			t.Fatalf("%d bytes, %d dropped", len(merged), dropped)
		}
		if again, _ := tracecontext.MergeBaggage([]string{merged}, text); dropped == 0 && again != merged {
			t.Fatalf("merging twice adds to %q: %q", merged, again)
		}
	})
}

// FuzzFindCorrelation: what is found stands in the text.
func FuzzFindCorrelation(f *testing.F) {
	const token = "continuity/" + traceID + "-" + spanID
	for _, seed := range []string{
		"", token, "k6/2 " + token, token + token, token[1:], strings.ToUpper(token),
		"continuity/continuity/" + traceID + "-" + spanID, token[:50],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		found, ok := tracecontext.FindCorrelation(agent)
		if ok != !found.IsZero() {
			t.Fatalf("%q: found %v, %v", agent, found, ok)
		}
		if ok && !strings.Contains(strings.ToLower(agent), found.String()) {
			t.Fatalf("%q does not hold %v", agent, found)
		}
		if again, still := tracecontext.FindCorrelation(agent + " " + found.String()); ok &&
			(!still || again != found) {
			t.Fatalf("%q: then found %v", agent, again)
		}
	})
}
