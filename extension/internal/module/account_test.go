package module

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/traced"
)

// accounts drives a run with real operations, over a network of its own: every
// round trip is answered, and its SERVER span comes before its attempt.
type accounts struct {
	*testRun

	client *traced.Client
	labels [3]*span.Labels
	sent   atomic.Int64
	drops  sync.WaitGroup
	got    struct{ attempts, rates, settled float64 }
}

func newAccounts(t *testing.T, source string) *accounts {
	t.Helper()
	a := &accounts{testRun: newTestRun(t, func(s *settings) {
		s.source, s.maxTraces = source, 100
	})}
	a.begin()
	var err error
	a.client, err = traced.NewClient(a.provider, traced.ClientConfig{}, a.run)
	require.NoError(t, err)
	for i := range a.labels {
		a.labels[i] = &span.Labels{Name: string(rune('a' + i)), Method: "GET"}
		a.labels[i].Tags = a.registry.RootTagSet().With("name", a.labels[i].Name)
	}
	a.drops.Go(a.drain)
	return a
}

// drain adds up the samples until their channel is closed.
func (a *accounts) drain() {
	for container := range a.samples {
		for _, s := range container.GetSamples() {
			switch s.Metric {
			case a.instruments.attempts:
				a.got.attempts += s.Value
			case a.instruments.continuity:
				a.got.rates++
			case a.instruments.settleTime:
				a.got.settled++
			default:
			}
		}
	}
}

// RoundTrip answers, and reports the SERVER span if anybody listens.
func (a *accounts) RoundTrip(req *http.Request) (*http.Response, error) {
	n := a.sent.Add(1)
	parent, _, err := tracecontext.Extract(req.Header["Traceparent"], nil)
	if err != nil {
		return nil, err
	}
	r := span.Record{
		TraceID: parent.TraceID, ParentID: parent.SpanID, Kind: span.KindServer, Start: n,
		Descriptor: &span.Descriptor{Service: "shop"}, Status: http.StatusOK,
	}
	for i := range r.SpanID {
		r.SpanID[i] = byte(n >> (8 * i))
	}
	if a.Expects() {
		a.store.Spans([]span.Record{r}, time.Now())
	}
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("body")), Request: req,
	}, nil
}

// operate sends 0 to 3 round trips as one operation: of the way that n decides,
// inside an application span that ends before them, with bodies that nobody
// reads, waits, or a round trip behind the end.
func (a *accounts) operate(t *testing.T, n int) {
	t.Helper()
	ctx := t.Context()
	if n%5 == 0 {
		var app *traced.AppSpan
		ctx, app = a.provider.StartSpan(ctx, "checkout", nil, a.run)
		defer app.End(nil)
		if n%2 == 0 {
			app.End(nil)
		}
	}
	op := a.client.Start(ctx, traced.OperationConfig{
		Method: "GET", URL: "http://shop/", EndsAtOnce: n%3 > 0,
		Labels: func(*http.Request, *http.Response, error) *span.Labels {
			return a.labels[n%len(a.labels)]
		},
	})
	for trip := range n / 2 % 4 {
		body := a.trip(ctx, t, op, trip)
		if n%7 > 0 {
			_, _ = io.Copy(io.Discard, body)
			_ = body.Close() // never fails
		}
		if n%11 == 0 {
			op.HandOver()
		}
	}
	op.End(nil)
	if n%13 == 0 {
		_ = a.trip(ctx, t, op, 0).Close() // never fails
	}
}

// trip sends once and returns the body of the answer.
func (a *accounts) trip(
	ctx context.Context, t *testing.T, op *traced.Operation, n int,
) io.ReadCloser {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop/", nil)
	if err != nil {
		t.Error(err)
		return http.NoBody
	}
	resp, err := op.Transport(a, n+1, 0).RoundTrip(req)
	if err != nil {
		t.Error(err)
		return http.NoBody
	}
	return resp.Body
}

// TestAttemptsInAreVerdictsOut lets 64 senders work while traces settle, are
// evicted and are judged: the report and the metrics count every round trip
// once, and none is broken, as every one was continued.
func TestAttemptsInAreVerdictsOut(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"otlp", "none"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			const senders, each = 64, 120
			a := newAccounts(t, source)
			var load sync.WaitGroup
			for sender := range senders {
				load.Go(func() {
					for n := range each {
						a.operate(t, sender+n)
					}
				})
			}
			load.Wait()
			a.testEnd()
			close(a.samples)
			a.drops.Wait()
			totals := a.reportOf(".json").Totals
			assert.Positive(t, a.sent.Load())
			assert.EqualValues(t, a.sent.Load(), totals.Attempts)
			assert.InDelta(t, a.sent.Load(), a.got.attempts, 0)
			assert.InDelta(t, totals.Held, a.got.rates, 0)
			assert.Zero(t, totals.Broken, totals.Verdicts)
			assert.Equal(t, totals.Attempts,
				totals.Verdicts["continued"]+totals.Verdicts["undecided"], totals.Verdicts)
			if source == "none" {
				assert.Zero(t, totals.Held)
				assert.Zero(t, a.got.settled, "nothing was waited for")
				assert.Zero(t, a.reportOf(".json").Histograms["settle_ms"].Count())
				return
			}
			assert.Positive(t, totals.Held)
			assert.Positive(t, a.got.settled)
			assert.Positive(t, a.store.Stats().Evicted)
		})
	}
}

// TestASettleTimeIsATimeOfWaiting: what settles by itself has none.
func TestASettleTimeIsATimeOfWaiting(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, func(s *settings) { s.source = "none" })
	r.begin()
	r.attempt(map[string]string{"name": "a"}, 1)
	whole := span.Attempt{
		TraceID: tracecontext.TraceID{9}, SpanID: tracecontext.SpanID{9}, Status: 200, Sampled: true,
		Sends: 1, Labels: &span.Labels{Tags: r.registry.RootTagSet().With("name", "a")},
	}
	r.Whole(whole)
	r.testEnd()
	assert.Equal(t, map[string]float64{"trace_attempts a  undecided": 2}, r.sums())
	assert.Equal(t, map[string]uint64{"undecided": 2}, r.reportOf(".json").Totals.Verdicts)
}
