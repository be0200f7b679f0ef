package backend_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// feedSettle leaves a busy machine more than a second to answer the last query.
const feedSettle = 8 * time.Second

// run is a load of one attempt per trace, judged by what a source says.
type run struct {
	t        *testing.T
	store    *join.Store
	feed     *backend.Feed
	verdicts map[tracecontext.TraceID]verdict.Result
	warnings atomic.Int64
	agent    string // the load's User-Agent
}

func newRun(t *testing.T, option string, sample float64) *run {
	t.Helper()
	spec, err := backend.ParseSource(option)
	noError(t, err)
	r := &run{t: t, agent: "k6/test", verdicts: make(map[tracecontext.TraceID]verdict.Result)}
	r.store = join.New(join.Config{
		Settle: backend.JoinSettle(spec, feedSettle), Linger: 50 * time.Millisecond,
	})
	r.feed, err = backend.NewFeed(spec, backend.FeedConfig{
		Settle: feedSettle, Sample: sample, Seed: 1, Store: r.store,
		Agent: func() string { return r.agent }, Warn: func(string) { r.warnings.Add(1) },
	})
	noError(t, err)
	t.Cleanup(r.feed.Close)
	return r
}

// send records an attempt with the span id that the answers name as parent.
func (r *run) send(id tracecontext.TraceID, change ...func(*span.Attempt)) {
	now := time.Now()
	a := span.Attempt{
		TraceID: id, SpanID: tracecontext.SpanID{7: 0xa1}, Number: 1, Sends: 1, Status: 200,
		Sampled: true, Outcome: span.OutcomeAnswered, Labels: &span.Labels{},
	}
	for _, c := range change {
		c(&a)
	}
	r.store.Open(id, now)
	r.store.Attempt(a, now)
	r.store.Close(id, now)
	r.feed.Closed(id)
}

// judge waits until as many verdicts are in as attempts were sent.
func (r *run) judge() {
	r.t.Helper()
	limit := time.Now().Add(time.Minute)
	for r.store.Stats().Open > 0 {
		for _, t := range r.store.Advance(time.Now()) {
			r.feed.Settled(t.ID)
			for _, result := range verdict.NewJudge(verdict.Options{}).Decide(t).Results {
				r.verdicts[t.ID] = result
			}
		}
		if time.Now().After(limit) {
			r.t.Fatal("traces are still open", r.store.Stats())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func jaegerOf(n uint64) string { return `{"result":` + line(n) + `}` }

func tempoOf(t *testing.T, n uint64) []byte {
	t.Helper()
	id := idOf(n)
	b, err := proto.Marshal(&trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{
		ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{
			TraceId: id[:], SpanId: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Kind: 2,
			ParentSpanId: []byte{7: 0xa1},
		}}}},
	}}})
	noError(t, err)
	return b
}

// fake answers queries for the traces 1, 2, …, each in its way.
func fake(t *testing.T, ways map[uint64]func(w http.ResponseWriter, asked int64)) *url.URL {
	t.Helper()
	asked := make(map[uint64]*atomic.Int64, len(ways))
	for n := range ways {
		asked[n] = new(atomic.Int64)
	}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		for n, way := range ways {
			if strings.HasSuffix(r.URL.Path, idOf(n).String()) {
				way(w, asked[n].Add(1))
				return
			}
		}
		switch r.URL.Path {
		case "/api/echo":
			_, _ = fmt.Fprint(w, "echo")
		case "/api/search":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, `{"traces":[],"metrics":{}}`)
		case "/api/traces":
			_, _ = fmt.Fprint(w, `{"data":[],"errors":null}`)
		default:
			_, _ = fmt.Fprint(w, `{"services":[]}`)
		}
	})
}

func body(content string) func(http.ResponseWriter, int64) {
	return func(w http.ResponseWriter, _ int64) { _, _ = fmt.Fprint(w, content) }
}

func fails(status int, content string) func(http.ResponseWriter, int64) {
	return func(w http.ResponseWriter, _ int64) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, content)
	}
}

const jaeger404 = `{"error":{"httpCode":404,"message":"trace not found"}}`

func TestAJaegerIsAskedUntilEveryAttemptHasItsVerdict(t *testing.T) {
	t.Parallel()
	base := fake(t, map[uint64]func(http.ResponseWriter, int64){
		1: body(jaegerOf(1)),
		2: func(w http.ResponseWriter, asked int64) { // not there yet
			if asked < 3 {
				fails(http.StatusNotFound, jaeger404)(w, asked)
				return
			}
			body(jaegerOf(2))(w, asked)
		},
		3: fails(http.StatusNotFound, jaeger404),
		4: fails(http.StatusInternalServerError, "storage is down"),
		5: body("<html>garbage</html>"),
		6: fails(http.StatusNotFound, "no such page"), // of something that is no Jaeger
		7: func(w http.ResponseWriter, asked int64) { // down at first
			if asked < 2 {
				fails(http.StatusBadGateway, "")(w, asked)
				return
			}
			body(jaegerOf(7))(w, asked)
		},
	})
	r := newRun(t, "jaeger="+base.String(), 0)
	for n := range uint64(7) {
		r.send(idOf(n + 1))
	}
	r.send(idOf(8), func(a *span.Attempt) { a.Sampled = false })
	r.judge()
	r.expect(map[uint64]string{
		1: "continued", 2: "continued", 3: "missing no SERVER span",
		4: "undecided the source could not tell: jaeger: status 500: storage is down",
		5: "undecided the source could not tell: jaeger: ", 6: "undecided the source could not tell: jaeger: ",
		7: "continued", 8: "unsampled",
	})
	equal(t, 0, int(r.warnings.Load()))
}

func (r *run) expect(want map[uint64]string) {
	r.t.Helper()
	equal(r.t, len(want), len(r.verdicts))
	for n, start := range want {
		got := r.verdicts[idOf(n)]
		text := strings.TrimSpace(got.Verdict.String() + " " + got.Reason)
		if !strings.HasPrefix(text, start) {
			r.t.Errorf("trace %d: want %q, got %q", n, start, text)
		}
	}
}

func TestATempoIsAskedUntilEveryAttemptHasItsVerdict(t *testing.T) {
	t.Parallel()
	protobuf := func(b []byte) func(http.ResponseWriter, int64) {
		return func(w http.ResponseWriter, _ int64) {
			w.Header().Set("Content-Type", "application/protobuf")
			_, _ = w.Write(b)
		}
	}
	base := fake(t, map[uint64]func(http.ResponseWriter, int64){
		1: protobuf(tempoAnswer(tempoOf(t, 1), 0, "")),
		2: protobuf(tempoAnswer(nil, 1, "too large")),
		3: protobuf(tempoAnswer(tempoOf(t, 3), 1, "too large")), // the part that came is proof
		4: fails(http.StatusNotFound, ""),
	})
	r := newRun(t, "tempo="+base.String(), 0)
	for n := range uint64(4) {
		r.send(idOf(n + 1))
	}
	r.judge()
	r.expect(map[uint64]string{
		1: "continued", 2: "undecided the source could not tell: tempo: partial trace: too large",
		3: "continued", 4: "missing",
	})
}

func TestABackendThatIsNotThereMakesEverythingUndecided(t *testing.T) {
	t.Parallel()
	r := newRun(t, "jaeger=http://127.0.0.1:1", 0)
	r.send(idOf(1))
	r.judge()
	r.expect(map[uint64]string{1: "undecided the source could not tell: jaeger: "})
	equal(t, 1, int(r.warnings.Load()))
}

func TestTracesOutsideTheSampleAreUndecidedAndCounted(t *testing.T) {
	t.Parallel()
	const traces = 200
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for n := range uint64(traces) {
			if strings.HasSuffix(r.URL.Path, idOf(n).String()) {
				body(jaegerOf(n))(w, 1)
			}
		}
	})
	r := newRun(t, "jaeger="+base.String(), 0.25)
	for n := range uint64(traces) {
		r.send(idOf(n))
	}
	r.judge()
	counts := make(map[string]int)
	for _, v := range r.verdicts {
		counts[v.Verdict.String()]++
	}
	asked, left := r.feed.Asked()
	equal(t, traces, int(asked+left))
	equal(t, counts["continued"], int(asked))
	equal(t, counts["undecided"], int(left))
	if asked < traces/10 || left < traces/2 {
		t.Errorf("a quarter of %d traces is not %d", traces, asked)
	}
}

func TestFilesAreFollowedUntilEveryAttemptHasItsVerdict(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRun(t, "file="+filepath.Join(dir, "*.jsonl"), 0)
	first, second := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.jsonl")
	whole := line(1) + "\n"
	appendTo(t, first, whole[:40])
	for n := range uint64(3) {
		r.send(idOf(n + 1))
	}
	appendTo(t, first, whole[40:])
	appendTo(t, second, line(2)+"\n"+line(77)+"\n")
	r.judge()
	r.expect(map[uint64]string{1: "continued", 2: "continued", 3: "missing"})
	equal(t, 2, int(r.store.Stats().Foreign))
}

func TestFilesThatAreDamagedOrNotThereProveNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := newRun(t, "file="+filepath.Join(dir, "none-*"), 0)
	none.send(idOf(1))
	damaged := newRun(t, "file="+filepath.Join(dir, "a.jsonl"), 0)
	damaged.send(idOf(1))
	damaged.send(idOf(2))
	noError(t, os.WriteFile(filepath.Join(dir, "a.jsonl"), []byte(line(1)+"\n{oops\n"), 0o600))
	none.judge()
	none.expect(map[uint64]string{1: "undecided the source could not tell: no file matches"})
	damaged.judge()
	damaged.expect(map[uint64]string{
		1: "continued", 2: "undecided the source could not tell: damaged file: " + dir,
	})
	damaged.feed.Close()
	equal(t, 1, int(damaged.warnings.Load()))
}

func TestNoFeedIsNeededForAReceiver(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"otlp", "none", ""} {
		spec, err := backend.ParseSource(option)
		noError(t, err)
		feed, err := backend.NewFeed(spec, backend.FeedConfig{})
		noError(t, err)
		equal(t, true, feed == nil)
		feed.Closed(idOf(1))
		feed.Settled(idOf(1))
		asked, left := feed.Asked()
		equal(t, 0, asked+left)
		feed.Close()
	}
}
