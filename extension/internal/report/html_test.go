package report

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

const traceUI = "http://localhost:16686/trace/{trace_id}"

func html(tb testing.TB, r *Report, o HTMLOptions) string {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, WriteHTML(&b, r, o))
	return b.String()
}

// ownParts cuts the embedded scripts and styles out of a page: what is left is
// made of the report.
func ownParts(page string) string {
	for _, part := range []string{chartScript, pageScript, chartStyle, pageStyle} {
		page = strings.ReplaceAll(page, part, "…")
	}
	return page
}

func TestHTMLGolden(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*Report{
		"report.html": made(plainNames()), "quiet.html": quiet(), "hostile.html": made(hostileNames()),
	} {
		golden(t, name, []byte(ownParts(html(t, r, HTMLOptions{TraceURL: traceUI}))))
	}
}

func TestThePolicyAllowsWhatThePageHoldsAndNothingElse(t *testing.T) {
	t.Parallel()
	page := html(t, made(hostileNames()), HTMLOptions{TraceURL: traceUI})
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
	require.Len(t, policy, 2)
	allowed := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policy[1])
	assert.True(t, strings.HasPrefix(allowed, "default-src 'none'; "))
	assert.NotContains(t, allowed, "unsafe")

	scripts := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(page, -1)
	require.Len(t, scripts, 2)
	for _, script := range scripts {
		assert.Contains(t, allowed, hash(script[1]))
	}
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)
	assert.Contains(t, allowed, hash(style[1]))
	assert.Equal(t, 3, strings.Count(allowed, "sha256-"))

	rest := regexp.MustCompile(`="[^"]*"`).ReplaceAllString(ownParts(page), "=…")
	assert.NotRegexp(t, `<[^>]* (style|on\w+)=…`, rest, "the policy forbids inline styles and handlers")
	assert.NotRegexp(t, `<[^>]* src=…`, rest, "the page may load nothing")
}

func TestHTMLHoldsNoSecretAndNoMarkupOfOthers(t *testing.T) {
	t.Parallel()
	page := ownParts(html(t, made(hostileNames()), HTMLOptions{}))
	for _, bad := range []string{"<img", "<svg onload", "hunter2", "secret", "\x1b", "\u202e", "<script>window"} {
		assert.NotContains(t, page, bad)
	}
	assert.Contains(t, page, "&lt;img src=x onerror=")
}

func TestTraceLinks(t *testing.T) {
	t.Parallel()
	id := traceID(1)
	assert.Equal(t, "http://localhost:16686/trace/"+id.String(), traceURL(traceUI, id))
	for _, bad := range []string{
		"", "javascript:alert('{trace_id}')", "/trace/{trace_id}", "https://u:p@host/{trace_id}",
		"data:text/html,{trace_id}", "http://",
	} {
		assert.Empty(t, traceURL(bad, id), bad)
	}
	page := html(t, made(plainNames()), HTMLOptions{TraceURL: "javascript:alert(1)//{trace_id}"})
	assert.NotContains(t, ownParts(page), "javascript:")
}

// largest is a report that is full in every respect: rows, buckets, examples
// with all their spans, and names of the greatest length that need escaping.
func largest(tb testing.TB) *Report {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	b := NewBuilder(testRun(plainNames()), BuilderOptions{})
	wide := strings.Repeat("<&>", maxText/3)
	for i := range 1000 {
		n := names{
			phase: fmt.Sprintf("%s%d", wide[:60], i%20), name: fmt.Sprintf("/%d%s", i%400, wide),
			service: fmt.Sprintf("%d%s", i%250, wide), inner: strconv.Itoa(i % 199), toxic: "t",
		}
		op := operation{n: i, phase: n.phase, verdicts: []verdict.Verdict{verdict.All()[i%8]}}
		o := op.outcome(n)
		for len(o.Results) < 30 {
			again := *o.Results[0].Attempt
			again.SpanID = spanID(0x20, len(o.Results))
			again.Number = uint16(len(o.Results) + 1)
			o.Results = append(o.Results, verdict.Result{Attempt: &again, Verdict: o.Results[0].Verdict})
		}
		for len(o.Trace.Spans) < 60 {
			o.Trace.Spans = append(o.Trace.Spans, record(o.Results[0].Attempt, o.Trace.ID,
				0x30+byte(len(o.Trace.Spans)), i, spanID(1, 1), n.service))
		}
		for j := range o.Results {
			o.Results[j].Attempt.Start = at(i * 240_000)
			o.Results[j].Attempt.Duration = random.Int64N(int64(time.Minute))
			o.Results[j].Reason = wide
		}
		b.Add(o)
	}
	return b.Report(start().Add(4000 * time.Minute))
}

func TestTheLargestReportIsBounded(t *testing.T) {
	t.Parallel()
	r := largest(t)
	assert.Equal(t, uint64(30_000), r.Totals.Attempts)
	assert.Len(t, r.By["name"], MaxRows+1)
	assert.Len(t, r.By["service"], MaxRows+1)
	assert.LessOrEqual(t, len(r.Edges), MaxRows+1)
	assert.LessOrEqual(t, len(r.Series.Buckets), MaxBuckets)
	assert.Greater(t, len(r.Series.Buckets), MaxBuckets/2)
	var sum uint64
	for _, row := range r.By["name"] {
		sum += row.Attempts
	}
	assert.Equal(t, r.Totals.Attempts, sum, "what is left out is counted")
	for _, e := range r.Examples {
		assert.Len(t, e.Attempts, maxExampleAttempts)
		assert.Equal(t, 30-maxExampleAttempts, e.Unlisted)
		assert.LessOrEqual(t, len(e.Spans), maxExampleSpans)
	}
	page := html(t, r, HTMLOptions{TraceURL: traceUI})
	t.Logf("JSON %d bytes, HTML %d bytes", len(encoded(t, r)), len(page))
	assert.LessOrEqual(t, len(page), 1_500_000)
	assert.LessOrEqual(t, len(encoded(t, r)), 8_000_000)
	for _, text := range []string{
		"101 more rows are in the report&#39;s JSON", "more examples are in the report&#39;s JSON",
	} {
		assert.Contains(t, page, text, "what is left out must be told")
	}
}

func TestTheSeriesCountsEveryAttemptHoweverLongTheRun(t *testing.T) {
	t.Parallel()
	for _, minutes := range []int{1, 29, 31, 600, 10_000} {
		b := NewBuilder(Run{Start: start()}, BuilderOptions{})
		for i := range 100 {
			o := operation{n: i, verdicts: []verdict.Verdict{verdict.Continued}}.outcome(plainNames())
			o.Results[0].Attempt.Start = at(i * minutes * 600)
			b.Add(o)
		}
		r := b.Report(start())
		var sum, timed uint64
		for _, bucket := range r.Series.Buckets {
			sum += bucket.Attempts
			timed += bucket.Duration.Count()
		}
		assert.Equal(t, uint64(100), sum)
		assert.Equal(t, uint64(100), timed)
		assert.LessOrEqual(t, len(r.Series.Buckets), MaxBuckets)
	}
}

func TestWaterfallShowsEveryAttemptSpanAndGap(t *testing.T) {
	t.Parallel()
	e := newExample(operation{n: 7, phase: "503s", verdicts: []verdict.Verdict{
		verdict.NotDelivered, verdict.Restarted, verdict.Continued,
	}}.outcome(plainNames()), 1)
	var lines []string
	for _, b := range newWaterfall(e).Bars {
		lines = append(lines, fmt.Sprintf("%d %s | %s", b.Depth, b.Class, b.Label))
	}
	assert.Equal(t, []string{
		"0 operation | operation /checkout?…",
		"1 attempt neutral | attempt 1 GET /checkout?…",
		"1 backoff | backoff",
		"1 attempt broken | attempt 2 GET /checkout?…",
		"2 absent | SERVER span in another trace",
		"1 backoff | backoff",
		"1 attempt held | attempt 3 GET /checkout?…",
		"2 span server | gateway GET /checkout?…",
		"3 span server | inventory GET /checkout?…",
		"0 span claimed | gateway GET /checkout?…",
	}, lines)
}

func TestWaterfallStandsCyclesOrphansAndClocksHoursOff(t *testing.T) {
	t.Parallel()
	e := Example{Verdict: "missing", TraceID: traceID(1), Attempts: []ExampleAttempt{
		{SpanID: spanID(1, 1), Verdict: "missing", DurationMS: 10},
	}, Spans: []ExampleSpan{
		{TraceID: traceID(1), SpanID: spanID(2, 1), ParentID: spanID(2, 2), Name: "cycle a"},
		{TraceID: traceID(1), SpanID: spanID(2, 2), ParentID: spanID(2, 1), Name: "cycle b"},
		{TraceID: traceID(1), SpanID: spanID(3, 1), ParentID: spanID(9, 9), Name: "orphan"},
		{TraceID: traceID(1), SpanID: spanID(3, 2), ParentID: spanID(1, 1), Name: "late", StartMS: 7_200_000},
	}}
	w := newWaterfall(e)
	require.Len(t, w.Bars, 6)
	notes := make(map[string]string)
	for _, b := range w.Bars {
		notes[strings.TrimSpace(b.Label)] = b.Note
		assert.Regexp(t, `^\d{1,2}\.\d\d%$`, b.X)
	}
	assert.Contains(t, notes["orphan"], "its parent "+spanID(9, 9).String()+" never arrived")
	assert.Contains(t, notes["cycle a"], "part of a cycle")
	assert.Equal(t, "10 ms", w.Ticks[len(w.Ticks)-1].Text, "a clock hours off must not squeeze the rest")
}

func TestEveryExampleOfABrokenVerdictSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, v := range verdict.All() {
		assert.Equal(t, v.Broken(), absent(ExampleAttempt{Verdict: v.String()}) != "", v)
	}
}

func TestNamesThatStartWithTheMethodSayItOnce(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]ExampleAttempt{
		"GET /cart": {Method: "GET", Name: "GET /cart"},
		"GET /b":    {Method: "GET", Name: "/b"},
		"PUT GET /": {Method: "PUT", Name: "GET /"},
		"/c":        {Name: "/c"},
	} {
		assert.Equal(t, want, a.request())
	}
}

func TestMarksOfAnyoneAreBounded(t *testing.T) {
	t.Parallel()
	b := NewBuilder(Run{Start: start()}, BuilderOptions{})
	for i := range 1000 {
		o := operation{n: i, verdicts: []verdict.Verdict{verdict.Continued}}.outcome(plainNames())
		o.Results[0].Attempt.Marks = &span.Marks{List: []span.Mark{{Type: fmt.Sprint("type", i)}}}
		b.Add(o)
	}
	r := b.Report(start())
	assert.Len(t, r.Seen, MaxRows+1)
	var sum uint64
	for _, s := range r.Seen {
		sum += s.Count
	}
	assert.Equal(t, uint64(1000), sum)
}

func BenchmarkWriteLargest(b *testing.B) {
	r := largest(b)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"json": func(w *bytes.Buffer) error { return WriteJSON(w, r) },
		"html": func(w *bytes.Buffer) error { return WriteHTML(w, r, HTMLOptions{TraceURL: traceUI}) },
		"text": func(w *bytes.Buffer) error { return WriteText(w, r, TextOptions{}) },
	} {
		b.Run(name, func(b *testing.B) {
			var w bytes.Buffer
			for b.Loop() {
				w.Reset()
				require.NoError(b, write(&w))
			}
			b.ReportMetric(float64(w.Len()), "bytes")
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	outcome := operation{n: 1, phase: "503s", verdicts: []verdict.Verdict{verdict.Continued}}.outcome(plainNames())
	builder := NewBuilder(testRun(plainNames()), BuilderOptions{})
	b.ReportAllocs()
	for b.Loop() {
		builder.Add(outcome)
	}
}
