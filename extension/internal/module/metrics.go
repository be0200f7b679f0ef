package module

import (
	"context"
	"time"

	"go.k6.io/k6/v2/metrics"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// instruments are the metrics of the module. They carry the tags of the
// request that they speak of, and can be used in thresholds.
type instruments struct {
	root *metrics.TagSet
	// continuity is a rate: 1 for an attempt whose trace held, 0 for a broken one.
	continuity *metrics.Metric
	// control is a rate: 1 for an expected attempt that is broken if and only if
	// a toxic marked it as stripped of its context, else 0. Attempts of which
	// that cannot be told are left out.
	control *metrics.Metric
	// attempts counts every attempt, with its verdict as a tag.
	attempts *metrics.Metric
	// retries counts the attempts after the first that the retry policy sent.
	retries *metrics.Metric
	// received counts the spans that arrived from the services.
	received *metrics.Metric
	// dropped counts the client spans that could not be exported.
	dropped *metrics.Metric
	// settleTime is the time from a trace's last attempt to its verdict, of the
	// traces that spans were waited for.
	settleTime *metrics.Metric
}

func newInstruments(registry *metrics.Registry) (*instruments, error) {
	m := &instruments{root: registry.RootTagSet()}
	for _, def := range []struct {
		dst       **metrics.Metric
		name      string
		kind      metrics.MetricType
		valueType metrics.ValueType
	}{
		{&m.continuity, "trace_continuity", metrics.Rate, metrics.Default},
		{&m.control, "trace_control", metrics.Rate, metrics.Default},
		{&m.attempts, "trace_attempts", metrics.Counter, metrics.Default},
		{&m.retries, "trace_retries", metrics.Counter, metrics.Default},
		{&m.received, "trace_spans_received", metrics.Counter, metrics.Default},
		{&m.dropped, "trace_spans_dropped", metrics.Counter, metrics.Default},
		{&m.settleTime, "trace_settle_time", metrics.Trend, metrics.Time},
	} {
		metric, err := registry.NewMetric(def.name, def.kind, def.valueType)
		if err != nil {
			return nil, err
		}
		*def.dst = metric
	}
	return m, nil
}

// tally gathers what the traces that have settled add to the metrics. A counter
// takes any number of attempts as one sample; a rate or a trend needs one each.
type tally struct {
	*instruments
	samples metrics.Samples
	counts  map[countKey]*count
}

type countKey struct {
	tags    *metrics.TagSet
	verdict verdict.Verdict
}

// count is a number of attempts, and when the last of them started.
type count struct {
	number uint64
	last   int64
}

// newTally makes room for so many samples.
func (m *instruments) newTally(room int) *tally {
	return &tally{
		instruments: m, samples: make(metrics.Samples, 0, room),
		counts: make(map[countKey]*count),
	}
}

func (t *tally) sample(metric *metrics.Metric, tags *metrics.TagSet, at time.Time, value float64) {
	t.samples = append(t.samples, metrics.Sample{
		TimeSeries: metrics.TimeSeries{Metric: metric, Tags: tags}, Time: at, Value: value,
	})
}

// add adds one settled trace.
func (t *tally) add(outcome verdict.Outcome, now time.Time) {
	settled := t.root
	for i := range outcome.Results {
		result := &outcome.Results[i]
		tags, ok := result.Attempt.Labels.Tags.(*metrics.TagSet)
		if !ok {
			tags = t.root
		}
		settled = tags
		t.addResult(result, tags)
		if result.Attempt.IsRetry() {
			t.sample(t.retries, tags, time.Unix(0, result.Attempt.Start), 1)
		}
	}
	for range outcome.ExpectedMissing {
		t.sample(t.continuity, settled, now, 0)
	}
	if outcome.Waited() {
		t.sample(t.settleTime, settled, now, metrics.D(outcome.Trace.SettleTime))
	}
}

func (t *tally) addResult(result *verdict.Result, tags *metrics.TagSet) {
	at := result.Attempt.Start
	key := countKey{tags, result.Verdict}
	n := t.counts[key]
	if n == nil {
		n = new(count)
		t.counts[key] = n
	}
	n.number++
	n.last = max(n.last, at)
	if result.Verdict.Held() {
		t.sample(t.continuity, tags, time.Unix(0, at), 1)
	} else if result.Verdict.Broken() {
		t.sample(t.continuity, tags, time.Unix(0, at), 0)
	}
	if result.Verdict.Expected() && !result.Unsure() {
		agrees := 0.0
		if result.Injected == result.Verdict.Broken() {
			agrees = 1
		}
		t.sample(t.control, tags, time.Unix(0, at), agrees)
	}
}

// all are the samples, with the counts among them.
func (t *tally) all() metrics.Samples {
	for key, n := range t.counts {
		t.sample(t.attempts, key.tags.With("verdict", key.verdict.String()),
			time.Unix(0, n.last), float64(n.number))
	}
	return t.samples
}

// spanSamples returns the growth of the span counters since the last call.
func (m *instruments) spanSamples(received, dropped uint64, now time.Time) metrics.Samples {
	var out metrics.Samples
	for metric, value := range map[*metrics.Metric]uint64{
		m.received: received, m.dropped: dropped,
	} {
		if value > 0 {
			out = append(out, metrics.Sample{
				TimeSeries: metrics.TimeSeries{Metric: metric, Tags: m.root},
				Time:       now, Value: float64(value),
			})
		}
	}
	return out
}

// push sends samples to k6 unless there is nothing or nowhere to send.
func push(ctx context.Context, to chan<- metrics.SampleContainer, samples metrics.Samples) {
	if to != nil && len(samples) > 0 {
		metrics.PushIfNotDone(ctx, to, samples)
	}
}
