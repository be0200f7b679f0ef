package traced

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// export sends one batch and enters it into the ledger.
func (l *ledger) export(ctx context.Context, batch []sdktrace.ReadOnlySpan) {
	n := uint64(len(batch))
	l.move(func(c *counts) {
		c.waiting -= n
		c.sending += n
	})
	out := l.send(ctx, batch)
	l.move(func(c *counts) {
		c.sending -= n
		c.exported += out.exported
		c.failed += out.failed
		c.dropped += out.dropped
	})
	l.complain(out.err)
}

// sent says what became of a batch.
type sent struct {
	exported, failed, dropped uint64
	err                       error
}

// send exports a batch; one that is too large for the endpoint goes in halves.
func (l *ledger) send(ctx context.Context, batch []sdktrace.ReadOnlySpan) sent {
	n := uint64(len(batch))
	if ctx.Err() != nil {
		return sent{dropped: n}
	}
	answer := &exportAnswer{}
	limited, cancel := context.WithTimeout(answer.watch(ctx), l.config.timeout)
	defer cancel()
	err := l.exporter.ExportSpans(limited, batch)
	switch rejected, message, answered := answer.get(); {
	case answered && rejected > 0:
		rejected = min(rejected, n)
		return sent{exported: n - rejected, failed: rejected, err: fmt.Errorf(
			"the endpoint rejected %d of %d spans: %s", rejected, n, message)}
	case answered || err == nil:
		return sent{exported: n}
	case n > 1 && isTooLarge(err):
		first, second := l.send(ctx, batch[:n/2]), l.send(ctx, batch[n/2:])
		return sent{
			first.exported + second.exported, first.failed + second.failed,
			first.dropped + second.dropped, errors.Join(first.err, second.err),
		}
	default:
		return sent{failed: n, err: err}
	}
}

// isTooLarge recognizes what gRPC, the exporters and HTTP servers say of a
// message beyond their limit. It was refused as a whole, before it was read.
func isTooLarge(err error) bool {
	text := err.Error()
	return strings.Contains(text, "larger than max") || strings.Contains(text, "too large") ||
		strings.Contains(text, "Request Entity Too Large")
}

// complain warns of the first failed export; the ledger tells of the others.
func (l *ledger) complain(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	told := l.warned
	l.warned = true
	l.mu.Unlock()
	if !told {
		l.warn(fmt.Sprintf("exporting client spans: %v (further failures are only counted)", err))
	}
}
