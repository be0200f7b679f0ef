package shop

import (
	"context"
	"time"
)

// fate is what goes wrong with one request.
type fate struct {
	fail, loseSpan bool
	wait           time.Duration
}

type fateKey struct{}

func withFate(ctx context.Context, f fate) context.Context {
	return context.WithValue(ctx, fateKey{}, f)
}

func fateOf(ctx context.Context) fate {
	f, _ := ctx.Value(fateKey{}).(fate)
	return f
}
