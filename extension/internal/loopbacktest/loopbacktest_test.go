package loopbacktest_test

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
)

func TestAnAddressIsFreeAndGivenOnce(t *testing.T) {
	t.Parallel()
	var given sync.Map
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				address := loopbacktest.Address(t)
				_, before := given.LoadOrStore(address, true)
				assert.False(t, before, address)
				l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
				if assert.NoError(t, err) {
					assert.NoError(t, l.Close())
				}
			}
		})
	}
	wg.Wait()
}
