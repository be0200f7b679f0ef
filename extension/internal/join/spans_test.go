package join_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// TestABatchIsItsSpansOneByOne gives the same spans to a store in one batch, of more
// than are sorted at a time, and to another one by one: each trace has the same
// spans in the same order.
func TestABatchIsItsSpansOneByOne(t *testing.T) {
	t.Parallel()
	const traces = 200
	rapid.Check(t, func(t *rapid.T) {
		config := join.Config{MaxSpans: rapid.SampledFrom([]int{3, 1000}).Draw(t, "most")}
		whole, single := newWorld(config), newWorld(config)
		for n := range uint64(traces) {
			labels := &span.Labels{}
			for _, w := range []*world{whole, single} {
				w.send(n, 1, func(a *span.Attempt) { a.Labels = labels })
			}
		}
		d := descriptor("gateway")
		var batch []span.Record
		for i := range rapid.SampledFrom([]int{1, 511, 512, 513, 1500}).Draw(t, "spans") {
			n := rapid.Uint64Range(0, traces+50).Draw(t, "trace")
			r := record(span.KindServer, d, n, byte(2+i%200), 1)
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				r = claiming(r, rapid.Uint64Range(0, traces).Draw(t, "claimed"), 1)
			case 1:
				r.ParentID = spanID(0)
			}
			batch = append(batch, r)
		}
		whole.receive(batch...)
		for _, r := range batch {
			single.receive(r)
		}
		require.Equal(t, single.Stats(), whole.Stats())
		want, got := single.Drain("the end", single.now), whole.Drain("the end", whole.now)
		require.Len(t, got, traces)
		for _, list := range [][]*join.Trace{want, got} {
			slices.SortFunc(list, func(a, b *join.Trace) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
		}
		for i := range want {
			require.Equal(t, want[i].ID, got[i].ID)
			require.Equal(t, want[i].Spans, got[i].Spans)
			require.Equal(t, want[i].Claimed, got[i].Claimed)
			require.Equal(t, want[i].Redelivered, got[i].Redelivered)
			require.Equal(t, want[i].Truncated, got[i].Truncated)
		}
	})
}
