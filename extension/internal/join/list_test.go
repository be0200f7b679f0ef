package join

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// A trace that stays open must not hold on to all those that came after it and
// have settled long ago.
func TestAnOpenTraceDoesNotHoldTheSettledOnesBehindIt(t *testing.T) {
	t.Parallel()
	s := New(Config{Linger: time.Millisecond})
	now := time.Unix(1_700_000_000, 0)
	id := func(n uint64) (id tracecontext.TraceID) { // all in one shard
		binary.BigEndian.PutUint64(id[8:], n*shardCount)
		return id
	}
	s.Open(id(1), now)
	const traces = 5000
	for n := range uint64(traces) {
		now = now.Add(10 * time.Millisecond)
		s.Open(id(n+2), now)
		s.Attempt(span.Attempt{
			TraceID: id(n + 2), SpanID: tracecontext.SpanID{1}, Labels: new(span.Labels),
			Outcome: span.OutcomeNotSent, Sampled: true,
		}, now)
		s.Close(id(n+2), now)
		s.Advance(now.Add(5 * time.Millisecond))
	}
	require.Equal(t, 1, s.Stats().Open)
	sh := &s.shards[0]
	for name, l := range map[string]*list{"ages": &sh.ages, "checks": &sh.checks} {
		require.Same(t, sh.traces.get(id(1)), l.front, name)
		require.Same(t, l.front, l.back, name)
		require.Zero(t, l.front.links[l.order], name)
	}
}
