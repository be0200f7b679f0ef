package tracecontext_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

func TestBaggageIsPercentEncodedAndSorted(t *testing.T) {
	t.Parallel()
	got, err := tracecontext.FormatBaggage(map[string]string{
		"b": `a b,c;d\e"f%g`, "a": "é€", "c": "", "d!#$%&'*+-.^_`|~9": "x=y",
	})
	require.NoError(t, err)
	assert.Equal(t, "a=%C3%A9%E2%82%AC,b=a%20b%2Cc%3Bd%5Ce%22f%25g,c=,d!#$%&'*+-.^_`|~9=x=y", got)
	empty, err := tracecontext.FormatBaggage(nil)
	require.NoError(t, err)
	assert.Empty(t, empty)
}

func TestBaggageLimits(t *testing.T) {
	t.Parallel()
	full := make(map[string]string)
	for i := range 64 {
		full[fmt.Sprintf("k%02d", i)] = "v"
	}
	_, err := tracecontext.FormatBaggage(full)
	require.NoError(t, err)
	full["one-more"] = "v"
	_, err = tracecontext.FormatBaggage(full)
	require.EqualError(t, err, "baggage must have at most 64 members, got 65")

	got, err := tracecontext.FormatBaggage(map[string]string{"k": strings.Repeat("v", 8190)})
	require.NoError(t, err)
	assert.Len(t, got, 8192)
	_, err = tracecontext.FormatBaggage(map[string]string{"k": strings.Repeat("v", 8191)})
	require.EqualError(t, err, "baggage must be at most 8192 bytes, got 8193")
}

func TestBaggageKeysMustBeTokens(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"", " ", "a b", "a,b", "a;b", "a=b", `a"b`, `a\b`, "a/b", "é", "a\x7f", "a\n", "(", "[", "{", "@",
	} {
		_, err := tracecontext.FormatBaggage(map[string]string{key: "v"})
		require.ErrorContains(t, err, "baggage keys must be tokens")
		assert.ErrorContains(t, err, fmt.Sprintf("%q", key))
	}
}

func TestMergeBaggageKeepsTheScriptsBytes(t *testing.T) {
	t.Parallel()
	many := make([]string, 63)
	for i := range many {
		many[i] = fmt.Sprintf("k%d=v", i)
	}
	list := strings.Join(many, ",")
	for _, tt := range []struct {
		name    string
		own     []string
		add     string
		want    string
		dropped int
	}{
		{"nothing of ours", []string{"a=1 , b=2"}, "", "a=1 , b=2", 0},
		{"nothing of the script's", nil, "a=1", "a=1", 0},
		{"properties and spaces stay", []string{" a = 1 ;p; q = 2 ", "%zz"}, "b=1", " a = 1 ;p; q = 2 ,%zz,b=1", 0},
		{"a key of the script's wins", []string{"a=1;p"}, "a=2,b=3", "a=1;p,b=3", 0},
		{"a key with a property only", []string{"a;p"}, "a=2", "a;p", 0},
		{"the 64th member fits, the 65th does not", []string{list}, "x=1,y=2", list + ",x=1", 1},
		{
			"a member of ours beyond 8192 bytes",
			[]string{"a=" + strings.Repeat("v", 8184)},
			"b=12345,c=1", "a=" + strings.Repeat("v", 8184) + ",c=1", 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, dropped := tracecontext.MergeBaggage(tt.own, tt.add)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.dropped, dropped)
		})
	}
}

func TestBaggageIsReadByOpenTelemetry(t *testing.T) {
	t.Parallel()
	want := map[string]string{"user": "Zoë, the 1st; \"quoted\" 100%", "empty": "", "eq": "a=b"}
	text, err := tracecontext.FormatBaggage(want)
	require.NoError(t, err)
	parsed, err := baggage.Parse(text)
	require.NoError(t, err)
	got := make(map[string]string)
	for _, m := range parsed.Members() {
		got[m.Key()] = m.Value()
	}
	assert.Equal(t, want, got)
}
