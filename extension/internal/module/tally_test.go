package module

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.k6.io/k6/v2/metrics"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// TestATallySumsCountersAndKeepsEveryRate holds what k6's sinks make of a tally
// to what they would make of a sample per attempt.
func TestATallySumsCountersAndKeepsEveryRate(t *testing.T) {
	t.Parallel()
	registry := metrics.NewRegistry()
	m, err := newInstruments(registry)
	require.NoError(t, err)
	tags := []*metrics.TagSet{
		registry.RootTagSet().With("name", "a"), registry.RootTagSet().With("name", "b"),
	}
	now := time.Unix(1000, 0)
	sums := m.newTally(0)
	want := make(map[string]float64)
	verdicts := []verdict.Verdict{
		verdict.Continued, verdict.Missing, verdict.Continued, verdict.Undecided,
	}
	for n := range 120 {
		a := span.Attempt{
			Operation: tracecontext.SpanID{1}, Number: uint16(1 + n%2), Start: int64(n),
			Labels: &span.Labels{Tags: tags[n/2%2]},
		}
		v := verdicts[n%len(verdicts)]
		name, _ := tags[n/2%2].Get("name")
		want["attempts "+name+" "+v.String()]++
		if v.Expected() {
			want["continuity "+name]++
		}
		if a.Number > 1 {
			want["retries "+name]++
		}
		sums.add(verdict.Outcome{
			Trace:   &join.Trace{SettleTime: time.Duration(n)},
			Results: []verdict.Result{{Attempt: &a, Verdict: v}},
		}, now)
	}
	got := make(map[string]float64)
	attempts := 0
	for _, sample := range sums.all() {
		name, _ := sample.Tags.Get("name")
		switch sample.Metric {
		case m.attempts:
			attempts++
			value, _ := sample.Tags.Get("verdict")
			got["attempts "+name+" "+value] += sample.Value
			assert.Less(t, sample.Time.UnixNano(), int64(120))
			assert.GreaterOrEqual(t, sample.Time.UnixNano(), int64(110), "the last one's")
		case m.continuity:
			got["continuity "+name]++
		case m.retries:
			got["retries "+name] += sample.Value
		default:
		}
	}
	assert.Equal(t, want, got)
	assert.Equal(t, 4, attempts, "one sample per tags and verdict")
}
