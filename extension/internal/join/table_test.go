package join

import (
	"encoding/binary"
	"hash/maphash"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// A table holds what a map holds, whatever is added and removed in whatever order.
func TestATableIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := table{seed: maphash.MakeSeed()}
		want := make(map[tracecontext.TraceID]*entry)
		id := func() (id tracecontext.TraceID) {
			binary.BigEndian.PutUint64(id[8:], rapid.Uint64Range(0, 40).Draw(t, "id"))
			return id
		}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			id := id()
			require.Same(t, want[id], table.get(id))
			switch {
			case rapid.Bool().Draw(t, "remove"):
				table.remove(id)
				delete(want, id)
			case want[id] == nil:
				want[id] = &entry{head: head{id: id}}
				table.add(want[id])
			}
			require.Equal(t, len(want), table.size)
		}
		for n := range uint64(41) {
			var id tracecontext.TraceID
			binary.BigEndian.PutUint64(id[8:], n)
			require.Same(t, want[id], table.get(id))
		}
		require.Less(t, table.size, max(1, len(table.slots)), "a search ends at a free slot")
	})
}
