package module

import (
	"errors"
	"testing"

	"github.com/grafana/sobek"
	"github.com/stretchr/testify/require"
	"go.k6.io/k6/v2/js/common"
)

func TestWhatIsRaisedOnTheEventLoopIsItsError(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	a := &asyncSend{send: &send{client: &client{instance: &instance{vu: v.runtime.VU}}}}
	thrown, interruption := errors.New("thrown"), &sobek.InterruptedError{}
	require.NoError(t, a.caught(func() error { return nil }))
	require.ErrorIs(t, a.caught(func() error { return thrown }), thrown)
	require.ErrorContains(t, a.caught(func() error {
		common.Throw(v.runtime.VU.Runtime(), thrown)
		return nil
	}), "thrown")
	require.Equal(t, error(interruption), a.caught(func() error { panic(interruption) }))
	require.PanicsWithValue(t, "a defect", func() {
		_ = a.caught(func() error { panic("a defect") })
	})
}
