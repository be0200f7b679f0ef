package module

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.k6.io/k6/v2/js/modulestest"
)

// newConfigurable is a VU in its init context, of a run that has not started.
func newConfigurable(t *testing.T) *vu {
	t.Helper()
	v := &vu{
		tb: t, runtime: modulestest.NewRuntime(t), module: New(), warnings: &warnings{},
		server: &recorder{Server: &httptest.Server{}},
	}
	require.NoError(t, v.runtime.SetupModuleSystem(map[string]any{Name: v.module, "k6/http": v.module}, nil, nil))
	return v
}

func TestWrongConfigurationGivesOneErrorThatNamesTheOption(t *testing.T) {
	t.Parallel()
	const duration = `must be a duration such as "10s" or a number of milliseconds, 0 or more, got `
	for _, bad := range []struct{ options, message string }{
		{`7`, `configure must be an object, got 7`},
		{`{sources: 'otlp'}`, `configure.sources is not an option; accepted are expect, html, labels, linger, listen, maxTraces, results, sample, settle, source, toxiproxy, traceURL`},
		{`{source: 1}`, `configure.source must be a string, got 1`},
		{`{source: 'zipkin'}`, `configure.source "zipkin" is unknown: accepted are`},
		{`{source: 'jaeger='}`, `configure.source`},
		{`{listen: '127.0.0.1:4317'}`, `configure.listen must be an object, got "127.0.0.1:4317"`},
		{`{listen: {grpc: 4317}}`, `configure.listen.grpc must be a string, got 4317`},
		{`{listen: {grpc: 'localhost'}}`, `configure.listen.grpc must be host:port, or "" for off, got "localhost"`},
		{`{listen: {http: '127.0.0.1:70000'}}`, `configure.listen.http must be host:port, or "" for off, got "127.0.0.1:70000"`},
		{`{listen: {udp: ''}}`, `configure.listen.udp is not an option; accepted are allowRemote, grpc, http, tlsCert, tlsKey, token`},
		{`{listen: {allowRemote: 1}}`, `configure.listen.allowRemote must be true or false, got 1`},
		{`{settle: 'soon'}`, `configure.settle ` + duration + `"soon"`},
		{`{settle: -1}`, `configure.settle ` + duration + `-1`},
		{`{settle: 0}`, `configure.settle must be above 0 and at most 20m0s, got 0s`},
		{`{settle: '1h'}`, `configure.settle must be above 0 and at most 20m0s, got 1h0m0s`},
		{`{settle: true}`, `configure.settle ` + duration + `true`},
		{`{settle: '1s', linger: '2s'}`, `configure.linger must be at most settle (1s), got 2s`},
		{`{maxTraces: 0}`, `configure.maxTraces must be between 1 and 50000000, got 0`},
		{`{maxTraces: 1.5}`, `configure.maxTraces must be a whole number, got 1.5`},
		{`{maxTraces: '9'}`, `configure.maxTraces must be a whole number, got "9"`},
		{`{sample: 0}`, `configure.sample must be above 0 and at most 1, got 0`},
		{`{sample: 2}`, `configure.sample must be above 0 and at most 1, got 2`},
		{`{sample: 'all'}`, `configure.sample must be a number, got "all"`},
		{`{expect: ['a']}`, `configure.expect must be an object, got an array`},
		{`{expect: {services: 7}}`, `configure.expect.services must be an array of strings, got 7`},
		{`{expect: {service: []}}`, `configure.expect.service is not an option; accepted are services`},
		{`{results: ''}`, `configure.results must be a directory, got ""`},
		{`{labels: 'a=b'}`, `configure.labels must be an object of strings, got "a=b"`},
		{`{labels: {a: {}}}`, `configure.labels.a must be a string, a number or a boolean, got an object`},
		{`{html: 'no'}`, `configure.html must be true or false, got "no"`},
		{`{traceURL: 'http://ui/'}`, `configure.traceURL must contain {trace_id}, got "http://ui/"`},
		{`{toxiproxy: 1}`, `configure.toxiproxy must be a string, got 1`},
	} {
		v := newConfigurable(t)
		err := v.tryInit(`configure(` + bad.options + `)`)
		if err == nil { // what the options are about is looked at when the run starts
			_, err = v.module.run.start()
		}
		if assert.Error(t, err, bad.options) {
			assert.Contains(t, err.Error(), bad.message, bad.options)
		}
	}
	require.ErrorContains(t, newConfigurable(t).tryInit(
		`configure({settle: '1s'}); configure({settle: 1000}); configure({settle: '2s'})`),
		"configure() was called again with other options")
}
