package shop

import (
	"context"
	"time"
)

// fate is what goes wrong with one request.
type fate struct {
	fail, loseSpan, loseContext, twice bool
	wait                               time.Duration
}

// What a draw decides; each has a sequence of its own.
const (
	drawContext = 1 + iota
	drawFail
	drawSpan
	drawSlow
	drawTwice
)

// fate draws for the n-th request of the gateway, counted from 1.
func (c *Config) fate(n uint64) fate {
	f := fate{
		loseContext: c.draw(n, drawContext, c.DropContext),
		fail:        c.draw(n, drawFail, c.Fail),
		loseSpan:    c.draw(n, drawSpan, c.DropSpans),
		twice:       c.draw(n, drawTwice, c.Duplicate),
	}
	if c.draw(n, drawSlow, c.Slow) {
		f.wait = c.SlowBy
	}
	return f
}

// draw decides for the n-th request: the same seed, the same choices. The
// mixer is SplitMix64 (https://doi.org/10.1145/2714064.2660195).
func (c *Config) draw(n, purpose uint64, share float64) bool {
	if share <= 0 {
		return false
	}
	z := c.Seed*0x9E3779B97F4A7C15 + n*0xBF58476D1CE4E5B9 + purpose*0x94D049BB133111EB
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>11)/(1<<53) < share
}

type fateKey struct{}

func withFate(ctx context.Context, f fate) context.Context {
	return context.WithValue(ctx, fateKey{}, f)
}

func fateOf(ctx context.Context) fate {
	f, _ := ctx.Value(fateKey{}).(fate)
	return f
}
