package shop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEachFlagHasItsShareAndAChoiceOfItsOwn(t *testing.T) {
	t.Parallel()
	const n = 10_000
	c := Config{
		Fail: 0.1, Slow: 0.2, SlowBy: time.Second, DropContext: 0.3, DropSpans: 0.4, Duplicate: 0.5,
		Seed: 7,
	}
	var fail, slow, context, spans, twice, both int
	count := func(to *int, is bool) {
		if is {
			*to++
		}
	}
	for i := range uint64(n) {
		f := c.fate(i + 1)
		count(&fail, f.fail)
		count(&slow, f.wait == time.Second)
		count(&context, f.loseContext)
		count(&spans, f.loseSpan)
		count(&twice, f.twice)
		count(&both, f.loseSpan && f.twice)
	}
	assert.InDelta(t, 0.1*n, fail, 0.02*n)
	assert.InDelta(t, 0.2*n, slow, 0.02*n)
	assert.InDelta(t, 0.3*n, context, 0.02*n)
	assert.InDelta(t, 0.4*n, spans, 0.02*n)
	assert.InDelta(t, 0.5*n, twice, 0.02*n)
	assert.InDelta(t, 0.4*0.5*n, both, 0.02*n, "the choices are independent")
}

func TestSharesOfZeroAndOneAreExact(t *testing.T) {
	t.Parallel()
	all := Config{Fail: 1, Slow: 1, SlowBy: 1, DropContext: 1, DropSpans: 1, Duplicate: 1}
	for i := range uint64(1000) {
		assert.Equal(t, fate{}, (&Config{Seed: i}).fate(i))
		assert.Equal(t, fate{
			fail: true, loseSpan: true, loseContext: true, twice: true, wait: 1,
		}, all.fate(i))
	}
}
