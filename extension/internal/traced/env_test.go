package traced

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// env is an environment of name, value, … and the warnings that it gave.
func env(pairs ...string) (environment, *[]string) {
	values := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	var warnings []string
	return environment{
		get:  func(name string) string { return values[name] },
		warn: func(message string) { warnings = append(warnings, message) },
	}, &warnings
}

// envCase is one variable with a value, what is made of it, and the warning.
type envCase struct {
	name, value string
	read        func(environment) any
	want        any
	warning     string // what it says of the value; empty for none
}

const (
	exporterGeneral = "OTEL_EXPORTER_OTLP_"
	exporterTraces  = "OTEL_EXPORTER_OTLP_TRACES_"
)

func envCases() []envCase {
	batch := func(e environment) any { return e.batching() }
	defaults := batching{queue: 65_536, batch: 2_048, delay: time.Second, timeout: 30 * time.Second, workers: 4}
	with := func(change func(*batching)) batching {
		b := defaults
		change(&b)
		return b
	}
	samplerOf := func(name string, ratio float64) sampler {
		s, _ := newSampler(name, ratio, nil)
		return s
	}
	readSampler := func(e environment) any { return e.sampler() }
	ratio := func(e environment) any { // of the sampler that takes an argument
		get := e.get
		e.get = func(name string) string {
			if name == "OTEL_TRACES_SAMPLER" {
				return "traceidratio"
			}
			return get(name)
		}
		return e.sampler()
	}
	propagators := func(e environment) any { return e.propagators() }
	return []envCase{
		{"OTEL_BSP_MAX_QUEUE_SIZE", "", batch, defaults, ""},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "5000", batch, with(func(b *batching) { b.queue = 5_000 }), ""},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "1000", batch, with(func(b *batching) { b.queue, b.batch = 1_000, 1_000 }), ""},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0", batch, defaults, `a whole number between 1 and 4194304, got "0": 65536 is used`},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "many", batch, defaults, `got "many"`},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "1e99", batch, defaults, `got "1e99"`},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "99999999999", batch, defaults, `got "99999999999"`},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10", batch, with(func(b *batching) { b.batch = 10 }), ""},
		{
			"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "70000", batch,
			with(func(b *batching) { b.batch = 65_536 }), "at most the queue's size, got 70000: 65536 is used",
		},
		{"OTEL_BSP_SCHEDULE_DELAY", "250", batch, with(func(b *batching) { b.delay = 250 * time.Millisecond }), ""},
		{"OTEL_BSP_SCHEDULE_DELAY", "-1", batch, defaults, `got "-1": 1000 is used`},
		{"OTEL_BSP_EXPORT_TIMEOUT", "60000", batch, with(func(b *batching) { b.timeout = time.Minute }), ""},
		{"OTEL_BSP_EXPORT_TIMEOUT", "x", batch, defaults, `got "x": 30000 is used`},

		{"OTEL_TRACES_SAMPLER", "", readSampler, samplerOf("parentbased_always_on", 1), ""},
		{"OTEL_TRACES_SAMPLER", "always_off", readSampler, samplerOf("always_off", 1), ""},
		{"OTEL_TRACES_SAMPLER", "traceidratio", readSampler, samplerOf("traceidratio", 1), ""},
		{"OTEL_TRACES_SAMPLER", "jaeger_remote", readSampler, samplerOf("parentbased_always_on", 1), `got "jaeger_remote"`},
		{"OTEL_TRACES_SAMPLER_ARG", "0.25", ratio, samplerOf("traceidratio", 0.25), ""},
		{"OTEL_TRACES_SAMPLER_ARG", "2", ratio, samplerOf("traceidratio", 1), `a ratio between 0 and 1, got "2": 1 is used`},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN", ratio, samplerOf("traceidratio", 1), `got "NaN"`},
		{"OTEL_TRACES_SAMPLER_ARG", "half", ratio, samplerOf("traceidratio", 1), `got "half"`},

		{"OTEL_PROPAGATORS", "", propagators, []string{"tracecontext", "baggage"}, ""},
		{"OTEL_PROPAGATORS", "b3, jaeger", propagators, []string{"b3", "jaeger"}, ""},
		{"OTEL_PROPAGATORS", "tracecontext, baggage", propagators, []string{"tracecontext", "baggage"}, ""},
		{"OTEL_PROPAGATORS", "ottrace", propagators, []string{"tracecontext", "baggage"}, `got "ottrace"`},

		{"OTEL_SDK_DISABLED", "True", func(e environment) any { return e.flag("OTEL_SDK_DISABLED") }, true, ""},
		{"OTEL_SDK_DISABLED", "false", func(e environment) any { return e.flag("OTEL_SDK_DISABLED") }, false, ""},
		{"OTEL_SDK_DISABLED", "1", func(e environment) any { return e.flag("OTEL_SDK_DISABLED") }, false, `true or false, got "1"`},
		{"OTEL_TRACES_EXPORTER", "otlp", func(e environment) any { return e.exportsOTLP() }, true, ""},
		{"OTEL_TRACES_EXPORTER", "none", func(e environment) any { return e.exportsOTLP() }, false, ""},
		{"OTEL_TRACES_EXPORTER", "zipkin", func(e environment) any { return e.exportsOTLP() }, true, `otlp or none, got "zipkin"`},
	}
}

// signalCases are the exporter's variables, which exist for all signals and for
// traces alone.
func signalCases() []envCase {
	return []envCase{
		{"PROTOCOL", "", func(e environment) any { return e.overHTTP() }, false, ""},
		{"PROTOCOL", "grpc", func(e environment) any { return e.overHTTP() }, false, ""},
		{"PROTOCOL", "http/protobuf", func(e environment) any { return e.overHTTP() }, true, ""},
		{"PROTOCOL", "http/json", func(e environment) any { return e.overHTTP() }, true, `grpc or http/protobuf, got "http/json": http/protobuf is used`},
		{"PROTOCOL", "thrift", func(e environment) any { return e.overHTTP() }, false, `grpc or http/protobuf, got "thrift": grpc is used`},
		{"COMPRESSION", "gzip", func(e environment) any { return e.gzip() }, true, ""},
		{"COMPRESSION", "none", func(e environment) any { return e.gzip() }, false, ""},
		{"COMPRESSION", "zstd", func(e environment) any { return e.gzip() }, false, `gzip or none, got "zstd": none is used`},
		{"TIMEOUT", "", func(e environment) any { return e.exportTimeout() }, 30 * time.Second, ""},
		{"TIMEOUT", "5000", func(e environment) any { return e.exportTimeout() }, 5 * time.Second, ""},
		{"TIMEOUT", "5s", func(e environment) any { return e.exportTimeout() }, 30 * time.Second, `got "5s": 30000 is used`},
		{"HEADERS", "a=1, B=x%20y", func(e environment) any { return e.headers() }, map[string]string{"a": "1", "b": "x y"}, ""},
		{"HEADERS", "a=1,secret", func(e environment) any { return e.headers() }, map[string]string{"a": "1"}, "pair 2 is not: it is left out"},
		{"HEADERS", "a b=secret", func(e environment) any { return e.headers() }, map[string]string{}, "pair 1 is not"},
		{"HEADERS", "a=%0asecret", func(e environment) any { return e.headers() }, map[string]string{}, "pair 1 is not"},
		{"HEADERS", "a=%zzsecret", func(e environment) any { return e.headers() }, map[string]string{}, "pair 1 is not"},
		{"CERTIFICATE", "/no/such/file", func(e environment) any { return e.tls().authorities == nil }, true, "no such file"},
		{"CERTIFICATE", "/dev/null", func(e environment) any { return e.tls().authorities == nil }, true, "a file of PEM certificates"},
		{"CLIENT_KEY", "/no/such/file", func(e environment) any { return len(e.tls().own) }, 0, "must be set both"},
		{"CLIENT_CERTIFICATE", "/no/such/file", func(e environment) any { return len(e.tls().own) }, 0, "must be set both"},
	}
}

func (c envCase) check(t *testing.T) {
	t.Helper()
	t.Run(c.name+"="+strings.ReplaceAll(c.value, "/", "_"), func(t *testing.T) {
		t.Parallel()
		e, warnings := env(c.name, c.value)
		assert.Equal(t, c.want, c.read(e))
		if c.warning == "" {
			assert.Empty(t, *warnings)
			return
		}
		require.Len(t, *warnings, 1)
		assert.Contains(t, (*warnings)[0], c.name, "the warning names the variable")
		assert.Contains(t, (*warnings)[0], c.warning)
		assert.NotContains(t, (*warnings)[0], "secret")
	})
}

func TestEnvironmentVariables(t *testing.T) {
	t.Parallel()
	for _, c := range envCases() {
		c.check(t)
	}
	for _, c := range signalCases() {
		option := c.name
		for _, prefix := range []string{exporterGeneral, exporterTraces} {
			c.name = prefix + option
			c.check(t)
		}
	}
}

func TestTracesVariableBeatsTheGeneralOne(t *testing.T) {
	t.Parallel()
	for option, values := range map[string][2]string{
		"HEADERS": {"a=1", "b=2"}, "TIMEOUT": {"1000", "2000"}, "COMPRESSION": {"none", "gzip"},
		"ENDPOINT": {"http://general:1", "http://traces:2"}, "INSECURE": {"false", "true"},
		"PROTOCOL": {"grpc", "http/protobuf"}, "CERTIFICATE": {"a", "b"},
		"CLIENT_KEY": {"a", "b"}, "CLIENT_CERTIFICATE": {"a", "b"},
	} {
		e, _ := env(exporterGeneral+option, values[0], exporterTraces+option, values[1])
		name, value := e.signal(option)
		assert.Equal(t, exporterTraces+option, name)
		assert.Equal(t, values[1], value)
		e, _ = env(exporterGeneral+option, values[0])
		name, value = e.signal(option)
		assert.Equal(t, exporterGeneral+option, name)
		assert.Equal(t, values[0], value)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	general, traces := exporterGeneral+"ENDPOINT", exporterTraces+"ENDPOINT"
	for _, tt := range []struct {
		variable, value, insecure string
		http                      bool
		want                      string // empty: a warning, and no export
	}{
		{general, "http://collector:4317", "", false, "http://collector:4317"},
		{general, "https://collector", "", false, "https://collector:4317"},
		{general, "collector:4317", "", false, "https://collector:4317"},
		{general, "collector:4317", "true", false, "http://collector:4317"},
		{general, "[::1]:4317", "true", false, "http://[::1]:4317"},
		{general, "https://collector:4317", "true", false, "https://collector:4317"},
		{general, "http://collector:4318", "", true, "http://collector:4318/v1/traces"},
		{general, "http://collector:4318/base/", "", true, "http://collector:4318/base/v1/traces"},
		{traces, "http://collector:4318/own", "", true, "http://collector:4318/own"},
		{general, "collector", "", false, ""},
		{general, "ftp://collector:4317", "", false, ""},
		{general, "http://", "", false, ""},
		{general, "http://user:secret@/x", "", false, ""},
		{traces, "http://[::1", "", false, ""},
		{traces, ":4317", "", false, ""},
	} {
		t.Run(tt.variable+"="+strings.ReplaceAll(tt.value, "/", "_")+" "+tt.insecure, func(t *testing.T) {
			t.Parallel()
			e, warnings := env(tt.variable, tt.value, "OTEL_EXPORTER_OTLP_INSECURE", tt.insecure)
			name, value := e.signal("ENDPOINT")
			got := e.endpoint(name, value, tt.http)
			if tt.want != "" {
				require.IsType(t, &url.URL{}, got)
				assert.Equal(t, tt.want, got.String())
				assert.Empty(t, *warnings)
				return
			}
			assert.Nil(t, got)
			require.Len(t, *warnings, 1)
			assert.Contains(t, (*warnings)[0], tt.variable+" must be a URL such as http://localhost:4317, or host:port")
			assert.Contains(t, (*warnings)[0], "client spans are not exported")
			assert.NotContains(t, (*warnings)[0], "secret")
		})
	}
}

func TestEndpointAtTheOtherProtocolsPortIsWarnedOf(t *testing.T) {
	t.Parallel()
	const name = exporterGeneral + "ENDPOINT"
	for value, want := range map[string]struct {
		http bool
		text string
	}{
		"http://collector:4318": {false, "the protocol is grpc, and 4318 is the usual port of http/protobuf: " +
			"use port 4317 or OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"},
		"http://collector:4317": {true, "the protocol is http/protobuf, and 4317 is the usual port of grpc: " +
			"use port 4318 or OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
	} {
		e, warnings := env(name, value)
		assert.NotNil(t, e.endpoint(name, value, want.http), "it may be right all the same")
		assert.Equal(t, []string{name + ": " + want.text}, *warnings)
	}
}

func TestInvalidEndpointExportsNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	e := newExporting(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"})
	e.burst(3)
	assert.Equal(t, Ledger{}, e.Stats())
	require.Len(t, e.told(), 1)
	assert.Contains(t, e.told()[0], "OTEL_EXPORTER_OTLP_ENDPOINT")
}

func TestResourceAttributes(t *testing.T) {
	t.Parallel()
	const attributes, name = "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"
	for _, tt := range []struct {
		attributes, name string
		want             map[string]string
		warning          string
	}{
		{"", "", map[string]string{"service.name": "k6", "service.version": "2"}, ""},
		{"service.name=a", "", map[string]string{"service.name": "a"}, ""},
		{"service.name=a", "b", map[string]string{"service.name": "b"}, ""},
		{" x = 1%3D1 ,y=", "", map[string]string{"x": "1=1"}, ""},
		{"x=1,broken", "", map[string]string{"service.name": "k6"}, `got "broken": the variable is ignored`},
		{"x=%zz", "", map[string]string{"service.name": "k6"}, `got "x=%zz"`},
		{"=1", "", map[string]string{"service.name": "k6"}, `got "=1"`},
		{"x=%ff", "", map[string]string{"service.name": "k6"}, `got "x=%ff"`},
		{"", "caf\xe9", map[string]string{"service.name": "k6"}, `OTEL_SERVICE_NAME must be a text in UTF-8, got "caf\xe9"`},
	} {
		e, warnings := env(attributes, tt.attributes, name, tt.name)
		got := make(map[string]string)
		resource := e.resource(t.Context(), ProviderConfig{ServiceName: "k6", ServiceVersion: "2"})
		for _, kv := range resource.Attributes() {
			got[string(kv.Key)] = kv.Value.AsString()
		}
		for key, value := range tt.want {
			assert.Equal(t, value, got[key], tt.attributes)
		}
		assert.NotContains(t, got, "y", "empty values are none")
		if tt.warning == "" {
			assert.Empty(t, *warnings)
			continue
		}
		assert.NotContains(t, got, "x", "the variable is ignored as a whole")
		require.Len(t, *warnings, 1)
		assert.Contains(t, (*warnings)[0], tt.warning)
	}
}
