package join

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// TestOperationsWhoseEndIsNeverHeardOfTakeBoundedMemory: a Collector runs for months.
func TestOperationsWhoseEndIsNeverHeardOfTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	const n = 3*maxGiven + 1
	s, now := New(Config{OpenLimit: time.Second}), time.Unix(1_800_000_000, 0)
	id := func(i int) (id tracecontext.TraceID) { // all of one shard
		binary.BigEndian.PutUint64(id[:8], uint64(i)+1)
		return id
	}
	for i := range n {
		s.Open(id(i), now)
		if i%1000 == 999 || i == n-1 {
			now = now.Add(time.Minute)
			s.Advance(now)
		}
	}
	sh := s.shard(id(0))
	require.LessOrEqual(t, len(sh.given.young)+len(sh.given.old), 2*maxGiven)
	for i := n - maxGiven; i < n; i++ { // these may still be under way
		s.Finish(span.Attempt{TraceID: id(i), Sampled: true, Labels: &span.Labels{}}, now)
	}
	settled := s.Advance(now)
	require.Len(t, settled, maxGiven)
	for _, trace := range settled {
		require.Equal(t, "its operation was open for too long", trace.Detail)
	}
	require.LessOrEqual(t, len(sh.given.young)+len(sh.given.old), maxGiven)
	require.Zero(t, s.Stats().Open)
}
