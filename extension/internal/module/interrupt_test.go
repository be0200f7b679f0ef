package module

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAnInterruptedAsyncRequestEndsItsOperation: k6 runs nothing of a script that
// it has interrupted, and the run must not wait for what nobody will end.
func TestAnInterruptedAsyncRequestEndsItsOperation(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const off = new Client({sampling: 'always_off'});`)
	rt := v.runtime.VU.Runtime()
	ctx, cancel := context.WithCancel(t.Context())
	v.runtime.VU.CtxField = ctx
	require.NoError(t, rt.Set("interrupt", func() {
		go func() {
			for len(v.server.seen()) == 0 {
				time.Sleep(time.Millisecond)
			}
			cancel()
			rt.Interrupt(context.Canceled)
		}()
	}))
	_, err := v.try(`interrupt(); off.asyncRequest('GET', 'SERVER/delay/2'); while (true) {}`)
	require.Error(t, err)
	v.runtime.EventLoop.WaitOnRegistered()
	store := v.module.run.store
	require.Eventually(t, func() bool { return store.Due() == 0 && store.Stats().Attempts == 1 },
		time.Minute, time.Millisecond, "the operation is over, and its attempt is known")
}
