package collector

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

func validConfig(dir string) *Config {
	c, _ := createDefaultConfig().(*Config)
	c.Directory, c.Instance = dir, "shard-1"
	return c
}

func TestTheConnectorWritesItsReportAndMetricsAtShutdown(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "by the connector")
	sink := new(consumertest.MetricsSink)
	settings := connectortest.NewNopSettings(component.MustNewType(Type))
	c, err := NewFactory().CreateTracesToMetrics(t.Context(), settings, validConfig(dir), sink)
	require.NoError(t, err)
	assert.False(t, c.Capabilities().MutatesData)
	require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	load := newTraffic(1, time.Now().UnixNano())
	load.operation("503s", "aborted", "continued")
	load.operation("503s", "duplicated")
	require.NoError(t, c.ConsumeTraces(t.Context(), batch(load.spans...)))
	require.NoError(t, c.Shutdown(t.Context()))

	r := merged(t, dir)
	assert.Equal(t, uint64(3), r.Totals.Attempts)
	assert.Equal(t, map[string]uint64{"continued": 1, "duplicated": 1, "not_delivered": 1}, r.Totals.Verdicts)
	assert.Equal(t, uint64(1), r.Totals.Retries)
	assert.Equal(t, "nightly", r.Run.Labels["testid"])
	all := sink.AllMetrics()
	require.NotEmpty(t, all)
	got := counts(all[len(all)-1])
	assert.InDelta(t, 1, got["trace_continuity"], 0)
	assert.InDelta(t, 1, got["trace_attempts not_delivered"], 0)
	assert.InDelta(t, 1, got["trace_attempts duplicated"], 0)
	assert.InDelta(t, 9, got["trace_spans_received"], 0)
}

// counts flattens metrics to values by name and verdict.
func counts(m pmetric.Metrics) map[string]float64 {
	out := make(map[string]float64)
	for _, metric := range m.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		var points pmetric.NumberDataPointSlice
		if metric.Type() == pmetric.MetricTypeSum {
			points = metric.Sum().DataPoints()
		} else {
			points = metric.Gauge().DataPoints()
		}
		for _, p := range points.All() {
			name := metric.Name()
			if v, ok := p.Attributes().Get("verdict"); ok {
				name += " " + v.Str()
			}
			out[name] += float64(p.IntValue()) + p.DoubleValue()
		}
	}
	return out
}

func TestADirectoryThatCannotBeWrittenStopsTheCollector(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	settings := connectortest.NewNopSettings(component.MustNewType(Type))
	c, err := NewFactory().CreateTracesToMetrics(
		t.Context(), settings, validConfig(filepath.Join(file, "reports")), consumertest.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, c.Start(t.Context(), componenttest.NewNopHost()), "making directory")
	require.NoError(t, c.Shutdown(t.Context()))
}

func TestConfigErrorsNameTheOptionTheValueAndWhatIsAccepted(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]map[string]any{
		"directory must be set": {"directory": ""},
		`instance must be a part of a file name, without slashes, got "a/b"`: {"instance": "a/b"},
		"window must be between 1s and 24h0m0s, got 10ms":                    {"window": "10ms"},
		"settle must be above 0 and at most 1h0m0s, got -1s":                 {"settle": "-1s"},
		"linger must be above 0 and at most settle (15s), got 20s":           {"linger": "20s"},
		"max_traces must be between 1 and 100000000, got 0":                  {"max_traces": 0},
		"max_waiting must be between 1 and 100000000, got -5":                {"max_waiting": -5},
		"shards must be between 0 (not known) and 10000, got -1":             {"shards": -1},
		`expect[1] must name a service, got ""`:                              {"expect": []string{"a", ""}},
		"'window' time: unknown unit":                                        {"window": "1parsec"},
		"has invalid keys: windows":                                          {"windows": "1m"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c := validConfig("reports")
			err := confmap.NewFromStringMap(set).Unmarshal(c)
			if err == nil {
				err = confmap.Validate(c)
			}
			require.ErrorContains(t, err, want)
		})
	}
	require.NoError(t, confmap.Validate(validConfig("reports")))
}

func TestTheDefaultConfigIsValidButForItsDirectory(t *testing.T) {
	t.Parallel()
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
	require.EqualError(t, confmap.Validate(createDefaultConfig()),
		"directory must be set: it is where partial reports are written")
}
