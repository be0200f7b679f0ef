package module

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/metrics"
	"gopkg.in/guregu/null.v3"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// testRun is a whole run (receiver, join, settler, report) without k6: its
// attempts and spans are made by hand.
type testRun struct {
	*run
	t        *testing.T
	registry *metrics.Registry
	samples  chan metrics.SampleContainer
	warned   *warnings
	next     byte
}

func newTestRun(t *testing.T, adjust ...func(*settings)) *testRun {
	t.Helper()
	r := &testRun{
		run: newRun(), t: t, registry: metrics.NewRegistry(), warned: &warnings{},
		samples: make(chan metrics.SampleContainer, 1000),
	}
	r.log = r.warned.logger()
	r.lookup = func(string) (string, bool) { return "", false }
	r.env = func() []string { return nil }
	r.quiet = true
	r.settings.listenGRPC, r.settings.listenHTTP = "", "127.0.0.1:0"
	r.settings.linger, r.settings.settle = time.Millisecond, time.Minute
	r.settings.results = filepath.Join(t.TempDir(), "results")
	for _, change := range adjust {
		change(&r.settings)
	}
	var err error
	r.instruments, err = newInstruments(r.registry)
	require.NoError(t, err)
	return r
}

// interrupt ends the test at once: one signal for the load, one for the wait.
func (r *testRun) interrupt() {
	r.settler.signals <- os.Interrupt
	r.settler.signals <- os.Interrupt
	r.testEnd()
}

func (r *testRun) begin() {
	r.t.Helper()
	_, err := r.start()
	require.NoError(r.t, err)
	r.take(&lib.State{Samples: r.samples, Options: lib.Options{RPS: null.IntFrom(7)}})
}

// attempt records an attempt that was answered, with tags, as a trace of its own.
func (r *testRun) attempt(tags map[string]string, number uint16) *span.Attempt {
	r.t.Helper()
	r.next++
	a := &span.Attempt{
		TraceID: tracecontext.TraceID{1, r.next}, SpanID: tracecontext.SpanID{2, r.next},
		Operation: tracecontext.SpanID{3, r.next}, Number: number, Sends: 1, Status: 200,
		Sampled: true, Start: time.Now().UnixNano(), Duration: int64(time.Millisecond),
		Labels: &span.Labels{
			Name: tags["name"], Scenario: tags["scenario"], Method: "GET",
			Tags: r.registry.RootTagSet().WithTagsFromMap(tags),
		},
	}
	r.Open(a.TraceID)
	r.Attempt(*a)
	r.Close(a.TraceID)
	return a
}

// serve delivers the SERVER span of an attempt.
func (r *testRun) serve(a *span.Attempt) {
	r.store.Spans([]span.Record{{
		TraceID: a.TraceID, SpanID: tracecontext.SpanID{9, r.next}, ParentID: a.SpanID,
		Kind: span.KindServer, Descriptor: &span.Descriptor{Service: "shop", Name: "GET /"},
		Start: a.Start, End: a.Start + a.Duration, Status: 200,
	}}, time.Now())
}

// reportOf reads a file of the results directory.
func (r *testRun) reportOf(suffix string) *report.Report {
	r.t.Helper()
	f, err := os.Open(r.path(suffix))
	require.NoError(r.t, err)
	defer func() { require.NoError(r.t, f.Close()) }()
	read, err := report.ReadJSON(f)
	require.NoError(r.t, err)
	return read
}

// sums adds the samples up by metric and tags.
func (r *testRun) sums() map[string]float64 {
	r.t.Helper()
	out := make(map[string]float64)
	for {
		select {
		case container := <-r.samples:
			for _, s := range container.GetSamples() {
				tags := s.Tags.Map()
				key := s.Metric.Name + " " + tags["name"] + " " + tags["scenario"] + " " + tags["verdict"]
				out[strings.TrimSpace(key)] += s.Value
			}
		default:
			return out
		}
	}
}

// TestEndOfTestWaitsForWhatIsDue: spans that come while the run settles decide
// its verdicts, its metrics and its report.
func TestEndOfTestWaitsForWhatIsDue(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	first := r.attempt(map[string]string{"name": "a", "scenario": "s1"}, 1)
	second := r.attempt(map[string]string{"name": "b", "scenario": "s2"}, 2)
	r.serve(first)
	ended := make(chan struct{})
	go func() { r.testEnd(); close(ended) }()
	<-r.settler.stop               // the load has ended: the first may have settled by itself already
	for r.store.Stats().Open > 1 { // the first settles while the second is due
		select {
		case <-ended:
			require.Fail(t, "the run ended before its spans were due")
		case <-time.After(time.Millisecond):
		}
	}
	waited := time.Now()
	r.serve(second)
	<-ended
	final := r.reportOf(".json")
	assert.True(t, final.Run.End.Before(waited), "the wait is no part of the load")
	assert.Equal(t, map[string]uint64{"continued": 2}, final.Totals.Verdicts)
	assert.EqualValues(t, 1, final.Totals.Retries)
	assert.EqualValues(t, 2, final.Spans.Received)
	assert.FileExists(t, r.path(".html"))
	assert.NoFileExists(t, r.path(partialSuffix), "superseded")
	sums := r.sums()
	delete(sums, "trace_settle_time a s1")
	delete(sums, "trace_settle_time b s2")
	assert.Equal(t, map[string]float64{
		"trace_attempts a s1 continued": 1, "trace_attempts b s2 continued": 1,
		"trace_continuity a s1": 1, "trace_continuity b s2": 1,
		"trace_control a s1": 1, "trace_control b s2": 1,
		"trace_retries b s2": 1, "trace_spans_received": 2,
	}, sums)
	entries, err := os.ReadDir(r.settings.results)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "no temporary file is left")
}

// TestInterruptWhileSettling ends the wait; the report is written, and what was
// due is undecided.
func TestInterruptWhileSettling(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	r.serve(r.attempt(nil, 1))
	r.attempt(nil, 1)
	r.settler.signals <- os.Interrupt // stopped the load
	ended := make(chan struct{})
	go func() { r.testEnd(); close(ended) }()
	for len(r.settler.signals) > 0 {
		time.Sleep(time.Millisecond)
	}
	r.settler.signals <- os.Interrupt
	<-ended
	final := r.reportOf(".json")
	assert.Equal(t, map[string]uint64{"continued": 1, "undecided": 1}, final.Totals.Verdicts)
	assert.Contains(t, final.Warnings,
		"settling was interrupted: what was still due is undecided")
}

func TestSettlingShowsItsProgress(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	r.attempt(nil, 1)
	reader, writer := io.Pipe()
	finished := make(chan struct{})
	go func() { r.settler.finish(writer); close(finished) }()
	line := make([]byte, 200)
	n, err := reader.Read(line)
	require.NoError(t, err)
	assert.Regexp(t, `^continuity: settling, 1 traces due, \d+s of at most 1m0s `+
		`\(Ctrl\+C to stop waiting\)\n$`, string(line[:n]))
	require.NoError(t, reader.Close())
	r.settler.signals <- os.Interrupt
	<-finished // it saves the report so far as well, into what is removed behind the test
	r.closeSource()
}

// TestOverloadIsCountedAndShown: beyond maxTraces the oldest settle early.
func TestOverloadIsCountedAndShown(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, func(s *settings) { s.maxTraces = 2 })
	r.begin()
	for range 100 {
		r.attempt(nil, 1)
	}
	r.interrupt()
	final := r.reportOf(".json")
	assert.EqualValues(t, 100, final.Totals.Verdicts["undecided"], "none is lost")
	assert.Positive(t, final.Spans.Evicted)
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text, final, report.TextOptions{}))
	assert.Contains(t, text.String(), strconv.FormatUint(final.Spans.Evicted, 10)+
		" traces settled early")
}

func TestRunThatCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for want, change := range map[string]func(*settings){
		"already in use":      func(s *settings) { s.listenHTTP = taken.Addr().String() },
		"listen.http":         func(s *settings) { s.listenHTTP = taken.Addr().String() },
		"configure.results: ": func(s *settings) { s.results = filepath.Join(file, "results") },
		`configure.source "zipkin" is unknown: accepted are`:    func(s *settings) { s.source = "zipkin" },
		`configure.sample must be above 0 and at most 1, got 2`: func(s *settings) { s.sample = 2 },
	} {
		r := newTestRun(t, change)
		_, err := r.start()
		require.ErrorContains(t, err, want)
		_, again := r.start()
		require.Equal(t, err, again, "every VU is told the same")
		r.testEnd() // of a run that never started: nothing to settle, nothing to write
		r.exit()
		assert.NoFileExists(t, r.path(".json"))
	}
}

// TestReportThatCannotBeWritten is an error in the log; the summary still shows.
func TestReportThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.begin()
	require.NoError(t, os.RemoveAll(r.settings.results))
	r.testEnd()
	assert.Contains(t, strings.Join(r.warned.all(), "\n"), "continuity: writing the report")
}

func TestWarningsBeforeTheReportAreInIt(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.warn("early")
	r.begin()
	r.warn("late")
	r.testEnd()
	assert.Equal(t, []string{"early", "late"}, r.reportOf(".json").Warnings)
}

// TestEventsAreKnownByTheirNames: k6's event numbers are internal to it.
func TestEventsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	require.NoError(t, assertNames(func(...goodEvent) (uint64, <-chan int) { return 0, nil }))
	require.ErrorContains(t, assertNames(func(...renumbered) (uint64, <-chan int) { return 0, nil }),
		`this version of k6 calls event`)
}

type goodEvent uint8

func (e goodEvent) String() string {
	return map[goodEvent]string{2: "TestStart", 3: "TestEnd", 6: "Exit"}[e]
}

type renumbered uint8

func (e renumbered) String() string {
	return map[renumbered]string{1: "TestStart", 2: "TestEnd", 6: "Exit"}[e]
}

func TestEnvironmentOverridesTheScript(t *testing.T) {
	t.Parallel()
	s := defaultSettings()
	s.labels = map[string]string{"a": "script", "b": "script"}
	variables := map[string]string{
		"SOURCE": "none", "LISTEN_GRPC": "", "LISTEN_HTTP": "127.0.0.1:1", "RESULTS": "elsewhere",
		"TOXIPROXY": "http://t:8474", "SETTLE": "3s", "LINGER": "1s", "HTML": "false",
		"LISTEN_ALLOW_REMOTE": "true", "LABELS": "b=env, c=env", "TRACE_URL": "http://ui/{trace_id}",
	}
	lookup := func(name string) (string, bool) {
		value, ok := variables[strings.TrimPrefix(name, "K6_CONTINUITY_")]
		return value, ok
	}
	require.NoError(t, s.applyEnv(lookup))
	require.NoError(t, s.validate())
	assert.Equal(t, "none", s.source)
	assert.Empty(t, s.listenGRPC)
	assert.Equal(t, "127.0.0.1:1", s.listenHTTP)
	assert.Equal(t, "elsewhere", s.results)
	assert.Equal(t, "http://t:8474", s.toxiproxy)
	assert.Equal(t, 3*time.Second, s.settle)
	assert.Equal(t, time.Second, s.linger)
	assert.False(t, s.html)
	assert.True(t, s.allowRemote)
	assert.Equal(t, map[string]string{"a": "script", "b": "env", "c": "env"}, s.labels)
	for name, bad := range map[string]string{
		"SETTLE": "soon", "LINGER": "-1s", "HTML": "maybe", "LABELS": "a",
	} {
		err := s.applyEnv(func(asked string) (string, bool) {
			return bad, asked == "K6_CONTINUITY_"+name
		})
		require.ErrorContains(t, err, "K6_CONTINUITY_"+name+" must be")
		require.ErrorContains(t, err, strconv.Quote(bad))
	}
}

func TestLabelCacheIsBounded(t *testing.T) {
	t.Parallel()
	v := newVU(t, "")
	source := labelSource{}
	source.init(&v.module.run.labels, v.state, nil, nil, "")
	for n := range maxLabels + 1000 {
		req := requestTo(t, "http://a/"+strconv.Itoa(n))
		require.Equal(t, "http://a/"+strconv.Itoa(n), source.labels(req, nil, nil).Name)
	}
	assert.Len(t, v.module.run.labels.labels, maxLabels)
}

func requestTo(t *testing.T, target string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, target, http.NoBody)
	require.NoError(t, err)
	return req
}
