package join_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// TestARootThatComesAgainIsForOneAttempt: it is one request that the service
// handled, whenever and however often its span is delivered.
func TestARootThatComesAgainIsForOneAttempt(t *testing.T) {
	t.Parallel()
	root, old := server(9, 10, 0), server(7, 10, 0)
	for name, again := range map[string]func(w *world){
		"before it is given": func(w *world) { w.receive(root, root) },
		"after it was given": func(*world) {},
		"another one comes":  func(w *world) { w.receive(server(8, 10, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(join.Config{})
			w.receive(old) // before the attempts were sent
			w.now = w.now.Add(1)
			w.send(1, 1, toGateway)
			w.receive(old, root)
			w.now = w.now.Add(settle / 2)
			w.send(2, 1, toGateway)
			again(w)
			settled := w.after(settle / 2)
			require.Len(t, settled, 1)
			require.Len(t, settled[0].Roots, 1)
			require.Equal(t, root.TraceID, settled[0].Roots[0].Record.TraceID)
			w.receive(old, root)
			settled = w.after(settle)
			require.Len(t, settled, 1)
			want := 0
			if name == "another one comes" {
				want = 1
			}
			require.Len(t, settled[0].Roots, want)
		})
	}
}

// TestANotedRootIsForOneAttempt: however many others came before the caller gave it away.
func TestANotedRootIsForOneAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.send(1, 1, toGateway)
	w.send(2, 1, toGateway)
	root := server(9, 10, 0)
	w.Root(&root, w.now)
	post := *root.Descriptor
	post.Method = "POST"
	for n := range uint64(40_000) {
		other := server(1000+n, 10, 0)
		other.Descriptor = &post
		w.Root(&other, w.now)
	}
	w.Noted([]span.Record{root}, w.now)
	given := 0
	for _, settled := range w.after(settle) {
		given += len(settled.Roots)
	}
	require.Equal(t, 1, given)
}
