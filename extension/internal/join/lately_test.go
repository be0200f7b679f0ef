package join_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// However many kinds of requests and services take turns in one shard, the store
// learns who serves each of them, and ties a restarted trace by that.
func TestEveryKindOfRequestIsLearnt(t *testing.T) {
	t.Parallel()
	const kinds, shard = 20, 64
	w := newWorld(join.Config{})
	descriptors, labels := make([]*span.Descriptor, kinds), make([]*span.Labels, kinds)
	for i := range descriptors {
		descriptors[i] = &span.Descriptor{Service: fmt.Sprint("service ", i), Method: "GET", Route: "/"}
		labels[i] = &span.Labels{Name: fmt.Sprint("request ", i), Method: "GET"}
	}
	label := func(i int) func(*span.Attempt) { return func(a *span.Attempt) { a.Labels = labels[i] } }
	n := uint64(0)
	for range 3 {
		for i := range kinds {
			n += shard
			w.send(n, 1, label(i))
			w.receive(record(span.KindServer, descriptors[i], n, 10, 1))
		}
		require.Len(t, w.after(settle), kinds)
	}
	for i := range kinds {
		n += shard
		w.send(n, 1, label(i))
		w.receive(record(span.KindServer, descriptors[i], n+1, 10, 0))
		_, tr := w.settles(t)
		require.Len(t, tr.Roots, 1)
		require.Same(t, descriptors[i], tr.Roots[0].Record.Descriptor)
	}
	for i := range kinds {
		n += shard
		w.send(n, 1, label(i))
		w.receive(claiming(record(span.KindServer, descriptors[i], n, 10, 1), n, 1))
		_, _ = w.settles(t)
		w.send(n+shard, 1, label(i))
		w.receive(record(span.KindServer, descriptors[i], n+1, 10, 0))
		n += shard
		_, tr := w.settles(t)
		require.Empty(t, tr.Roots, "a restarted trace of this service would carry a claim")
	}
}
