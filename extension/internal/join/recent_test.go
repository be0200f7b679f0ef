package join

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Whenever somebody asks, the last maxRecent ids are known, and those before the
// last two generations are not.
func TestTheLastSettledTracesAreRemembered(t *testing.T) {
	t.Parallel()
	id := func(n int) (id tracecontext.TraceID) {
		binary.BigEndian.PutUint64(id[:], uint64(n))
		return id
	}
	rapid.Check(t, func(t *rapid.T) {
		var r recent
		added := 0
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			for range rapid.IntRange(0, 2*maxRecent).Draw(t, "settle") {
				added++
				r.add(id(added))
			}
			if added == 0 {
				continue
			}
			n := rapid.IntRange(1, added).Draw(t, "asked for")
			switch age := added - n; {
			case age < maxRecent:
				require.True(t, r.has(id(n)))
			case age >= 2*maxRecent:
				require.False(t, r.has(id(n)))
			}
			require.False(t, r.has(id(added+1)))
			require.LessOrEqual(t, len(r.young.index)+len(r.old.index), 2*maxRecent)
		}
	})
}
