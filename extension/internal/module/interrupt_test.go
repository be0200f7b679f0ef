package module

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/sobek"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
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

// TestAnInterruptedOperationIsNoFailure: k6 says of a request that it has interrupted
// that it was cancelled or, at the end of a scenario, that it took too long.
func TestAnInterruptedOperationIsNoFailure(t *testing.T) {
	t.Parallel()
	for form, call := range map[string]string{
		"sync":  `http.get('SERVER/delay/9')`,
		"async": `await http.asyncRequest('GET', 'SERVER/delay/9')`,
		"batch": `http.batch(['SERVER/delay/9'])`,
		"body":  `http.get('SERVER/drip?duration=9s&numbytes=9')`,
	} {
		for how, after := range map[string]time.Duration{
			"cancelled": time.Hour, "deadline": 100 * time.Millisecond,
		} {
			t.Run(form+" "+how, func(t *testing.T) {
				t.Parallel()
				v := newVU(t, "")
				ctx, cancel := context.WithTimeout(t.Context(), after)
				v.runtime.VU.CtxField = ctx
				time.AfterFunc(100*time.Millisecond, cancel)
				_, _ = v.try(call)
				operation := v.operation()
				assert.Equal(t, codes.Unset, operation.Status.Code)
				assert.Empty(t, attr(operation, "error.type"))
			})
		}
	}
}

// TestASpanEndsWithItsIteration has spans around promises that nobody settles.
func TestASpanEndsWithItsIteration(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	v.runtime.VU.CtxField = ctx
	v.run(`span('outer', () => { span('inner', () => new Promise(() => {})); return new Promise(() => {}); });
		http.get('SERVER/get');`)
	store := v.module.run.store
	require.Equal(t, 2, store.Due(), "that of the span and that of the request")
	require.Len(t, v.spans(), 2, "those of the request")
	cancel()
	require.Eventually(t, func() bool { return len(v.spans()) == 4 }, time.Minute, time.Millisecond)
}

// TestAnInterruptedFilterEndsTheBatch interrupts the VU in the URL filter of a later
// entry, as a ramp-down may.
func TestAnInterruptedFilterEndsTheBatch(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const filtered = new Client({
		urlFilter: (url) => { if (url.endsWith('last')) { interrupt(); } return url; },
	});`)
	rt := v.runtime.VU.Runtime()
	require.NoError(t, rt.Set("interrupt", func() { rt.Interrupt(context.Canceled) }))
	_, err := v.try(`filtered.batch(['SERVER/get', 'SERVER/get', 'SERVER/get?last'])`)
	require.ErrorContains(t, err, context.Canceled.Error())
	rt.ClearInterrupt()
	require.Empty(t, v.server.seen())
	require.Zero(t, v.module.run.store.Due())
	stats := v.module.run.provider.Stats()
	require.Equal(t, stats.Started, uint64(len(v.spans())))
}

// TestTheSpanOfAnIterationEndsWithSetup: k6 has no event for the end of setup() and
// teardown(), whose requests are of one iteration each.
func TestTheSpanOfAnIterationEndsWithSetup(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const scoped = new Client({scope: 'iteration'});`)
	ctx, cancel := context.WithCancel(t.Context())
	v.runtime.VU.CtxField = ctx
	v.run(`scoped.get('SERVER/get'); scoped.get('SERVER/get')`)
	require.Len(t, v.spans(), 4, "those of the requests")
	cancel()
	require.Eventually(t, func() bool { return len(v.spans()) == 5 }, time.Minute, time.Millisecond)
}

// TestSettlingEndsWithoutWhatNobodyEnds has an operation that is never closed.
func TestSettlingEndsWithoutWhatNobodyEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{}
		r.settings.settle, r.settings.linger = 100*time.Millisecond, 10*time.Millisecond
		r.store = join.New(join.Config{Settle: r.settings.settle, Linger: r.settings.linger})
		r.store.Open(tracecontext.TraceID{1}, time.Now())
		began := time.Now()
		require.True(t, (&settler{run: r}).await(os.Stderr, ""))
		require.Equal(t, 700*time.Millisecond, time.Since(began))
		require.Equal(t, 1, r.store.Due(), "it is drained next")
	})
}

// TestAnInterruptionAfterAnAsyncRequest is one of what the script does when the
// request has been answered, with another one under way.
func TestAnInterruptionAfterAnAsyncRequest(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	rt := v.runtime.VU.Runtime()
	require.NoError(t, rt.Set("interrupt", func() { rt.Interrupt(context.Canceled) }))
	_, err := v.try(`
		const call = async (fn) => fn();
		await http.asyncRequest('GET', 'SERVER/get');
		await call(async () => {
			await Promise.all([
				http.asyncRequest('GET', 'SERVER/delay/0.1'),
				call(async () => { interrupt(); while (true) {} }),
			]);
		});`)
	require.ErrorAs(t, err, new(*sobek.InterruptedError))
	require.NotPanics(t, v.runtime.EventLoop.WaitOnRegistered)
	require.Len(t, v.server.seen(), 2)
}

// TestTheSpanOfAnInterruptedIterationIsNotThatOfTheNext has one VU with two iterations.
func TestTheSpanOfAnInterruptedIterationIsNotThatOfTheNext(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const scoped = new Client({scope: 'iteration'});`)
	rt := v.runtime.VU.Runtime()
	require.NoError(t, rt.Set("interrupt", func() { rt.Interrupt(context.Canceled) }))
	ctx, cancel := context.WithCancel(t.Context())
	v.runtime.VU.CtxField = ctx
	_, err := v.try(`await 1; await span('outer', async () => { await 1; interrupt(); while (true) {} })`)
	require.ErrorAs(t, err, new(*sobek.InterruptedError))
	cancel()
	rt.ClearInterrupt()
	v.runtime.VU.CtxField = t.Context()
	_, err = rt.RunString(v.replace(`http.get('SERVER/get'); scoped.get('SERVER/get')`))
	require.NoError(t, err)
	for _, s := range v.clientSpans() {
		require.NotEqual(t, "outer", v.rootOf(s).Name)
	}
	require.Len(t, v.clientSpans(), 2)
}

// rootOf is the span at the top of a span's trace.
func (v *vu) rootOf(s tracetest.SpanStub) tracetest.SpanStub {
	v.tb.Helper()
	for _, parent := range v.spans() {
		if parent.SpanContext.SpanID() == s.Parent.SpanID() {
			return v.rootOf(parent)
		}
	}
	return s
}
