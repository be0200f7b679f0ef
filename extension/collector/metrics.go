package collector

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// series is one series of the attempts counter.
type series struct{ test, phase, service, verdict string }

// maxSeries bounds the series; what is beyond it counts under phase and service
// "(other)".
const maxSeries = 2000

// tally counts attempts since the start, for the metrics. Their names are those
// of the k6 metrics.
type tally struct {
	began    time.Time
	attempts map[series]uint64
	held     uint64
	broken   uint64
}

func newTally(now time.Time) *tally {
	return &tally{began: now, attempts: make(map[series]uint64)}
}

func (t *tally) add(o verdict.Outcome) {
	for i := range o.Results {
		r := &o.Results[i]
		s := series{
			test: testOf(o.Trace), phase: r.Attempt.Labels.Phase,
			service: r.Attempt.Labels.Service, verdict: r.Verdict.String(),
		}
		if _, known := t.attempts[s]; !known && len(t.attempts) >= maxSeries {
			s.phase, s.service = report.Other, report.Other
		}
		t.attempts[s]++
		switch {
		case r.Verdict.Held():
			t.held++
		case r.Verdict.Broken():
			t.broken++
		}
	}
	t.broken += uint64(len(o.ExpectedMissing))
}

// metrics are the counts as of now.
func (t *tally) metrics(
	spans report.Spans, open int, instance string, now time.Time,
) pmetric.Metrics {
	out := pmetric.NewMetrics()
	rm := out.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "continuity")
	rm.Resource().Attributes().PutStr("service.instance.id", instance)
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("github.com/xk6-continuity/xk6-continuity/extension/collector")
	attempts := counter(sm, "trace_attempts", "attempts of the load by verdict", "{attempt}")
	for _, s := range slices.SortedFunc(maps.Keys(t.attempts), compareSeries) {
		p := t.point(attempts.AppendEmpty(), t.attempts[s], now)
		for key, value := range map[string]string{
			"testid": s.test, "phase": s.phase, "service": s.service, "verdict": s.verdict,
		} {
			if value != "" {
				p.Attributes().PutStr(key, value)
			}
		}
	}
	for _, c := range []struct {
		name, description string
		value             uint64
	}{
		{"trace_spans_received", "spans of the services", spans.Received},
		{"trace_spans_foreign", "spans of no attempt here", spans.Foreign},
		{"trace_spans_late", "spans of settled traces", spans.Late},
		{"trace_spans_dropped", "spans dropped for want of room", spans.Dropped},
	} {
		t.point(counter(sm, c.name, c.description, "{span}").AppendEmpty(), c.value, now)
	}
	gauge(sm, "trace_open", "open traces of the load", float64(open), now)
	if t.held+t.broken > 0 {
		gauge(sm, "trace_continuity", "held / (held + broken), since the start",
			float64(t.held)/float64(t.held+t.broken), now)
	}
	return out
}

func compareSeries(a, b series) int {
	return cmp.Or(cmp.Compare(a.test, b.test), cmp.Compare(a.phase, b.phase),
		cmp.Compare(a.service, b.service), cmp.Compare(a.verdict, b.verdict))
}

func counter(sm pmetric.ScopeMetrics, name, description, unit string) pmetric.NumberDataPointSlice {
	m := sm.Metrics().AppendEmpty()
	m.SetName(name)
	m.SetDescription(description)
	m.SetUnit(unit)
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	return sum.DataPoints()
}

func gauge(sm pmetric.ScopeMetrics, name, description string, value float64, now time.Time) {
	m := sm.Metrics().AppendEmpty()
	m.SetName(name)
	m.SetDescription(description)
	m.SetUnit("1")
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(now))
	p.SetDoubleValue(value)
}

func (t *tally) point(
	p pmetric.NumberDataPoint, value uint64, now time.Time,
) pmetric.NumberDataPoint {
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(t.began))
	p.SetTimestamp(pcommon.NewTimestampFromTime(now))
	p.SetIntValue(int64(min(value, 1<<63-1))) //nolint:gosec // bounded
	return p
}
