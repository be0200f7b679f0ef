package tracecontext_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

func correlation(tb testing.TB) tracecontext.Correlation {
	tb.Helper()
	parsed, err := tracecontext.ParseTraceparent(valid)
	require.NoError(tb, err)
	return tracecontext.Correlation{TraceID: parsed.TraceID, SpanID: parsed.SpanID}
}

func TestCorrelationIsFoundInAUserAgent(t *testing.T) {
	t.Parallel()
	want := correlation(t)
	const token = "continuity/" + traceID + "-" + spanID
	assert.Equal(t, token, want.String())
	for _, agent := range []string{
		token, "k6/2.2.0 " + token, token + " proxy/1", "x" + token,
		"continuity/" + spanID + " " + token, token + " continuity/short",
		"continuity/" + "0000000000000000" + traceID[:16] + "-1111111111111111 " + token,
	} {
		got, ok := tracecontext.FindCorrelation(agent)
		assert.True(t, ok, agent)
		assert.Equal(t, want, got, agent)
		got, ok = tracecontext.FindCorrelation([]byte(agent))
		assert.True(t, ok, agent)
		assert.Equal(t, want, got, agent)
	}
	for _, agent := range []string{
		"", "k6/2.2.0", "continuity/", token[:len(token)-1],
		"continuity/" + traceID + "_" + spanID,
		"continuity/00000000000000000000000000000000-" + spanID,
		"continuity/" + traceID + "-0000000000000000",
		"continuity/" + traceID[:31] + "g-" + spanID,
	} {
		got, ok := tracecontext.FindCorrelation(agent)
		assert.False(t, ok, agent)
		assert.True(t, got.IsZero(), agent)
	}
}

func TestIDsTravelAsText(t *testing.T) {
	t.Parallel()
	type ids struct {
		Trace tracecontext.TraceID
		Span  tracecontext.SpanID
	}
	c := correlation(t)
	text, err := json.Marshal(ids{c.TraceID, c.SpanID})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Trace":"`+traceID+`","Span":"`+spanID+`"}`, string(text))
	var back ids
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, ids{c.TraceID, c.SpanID}, back)
	require.Error(t, back.Trace.UnmarshalText([]byte("12")))
	require.Error(t, back.Span.UnmarshalText([]byte("123456789012345g")))
	assert.True(t, tracecontext.SpanID{}.IsZero())
	assert.True(t, tracecontext.TraceID{}.IsZero())
}
