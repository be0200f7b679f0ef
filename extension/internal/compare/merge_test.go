package compare

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// traffic is a stream of outcomes, as all shards together would judge them.
type traffic []verdict.Outcome

// drawTraffic draws up to 12 traces of one attempt in several rows.
func drawTraffic(t *rapid.T) traffic {
	kinds := []verdict.Verdict{
		verdict.Continued, verdict.Duplicated, verdict.Restarted, verdict.Missing,
		verdict.NotDelivered, verdict.Undecided,
	}
	seconds := []int{0, 1, 2, 3, 9}
	if rapid.IntRange(0, 19).Draw(t, "long") == 13 { // slow: its series has to get coarser
		seconds = append(seconds, 1900)
	}
	var list traffic
	for i := range rapid.IntRange(0, 12).Draw(t, "traces") {
		a := span.Attempt{
			Labels: &span.Labels{
				Phase: rapid.SampledFrom([]string{"", "baseline", "503s"}).Draw(t, "phase"),
				Name:  rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "name"), Method: "GET",
			},
			Number: uint16(rapid.IntRange(1, 3).Draw(t, "number")), Status: 200, Sampled: true,
			Start: start().Add(time.Duration(rapid.SampledFrom(seconds).Draw(t, "second")) * time.Second).UnixNano(),
			// Whole milliseconds: the coarse histograms of the series have to agree.
			Duration: int64(rapid.IntRange(1, 500).Draw(t, "ms")) * int64(time.Millisecond),
		}
		binary.BigEndian.PutUint64(a.TraceID[:], uint64(i+1))
		binary.BigEndian.PutUint64(a.SpanID[:], uint64(i+1))
		injected := rapid.Bool().Draw(t, "injected")
		if injected {
			a.Marks = &span.Marks{List: []span.Mark{{Type: "http_header", Name: "strip"}}}
		}
		if rapid.IntRange(0, 3).Draw(t, "silent") == 0 {
			a.Outcome, a.Status = span.OutcomeSentFailed, 0
		}
		list = append(list, verdict.Outcome{
			Trace: &join.Trace{ID: a.TraceID, Attempts: []span.Attempt{a}, SettleTime: time.Second},
			Results: []verdict.Result{{
				Attempt: &a, Injected: injected, Verdict: rapid.SampledFrom(kinds).Draw(t, "verdict"),
			}},
			Edges:    []verdict.Edge{{From: verdict.Load, To: "gateway", Spans: 1, Orphans: uint64(i % 2)}},
			Services: []verdict.Presence{{Service: "gateway", Connected: i%2 == 0}},
		})
	}
	return list
}

// part is a shard of the run of a part number, which begins and ends it.
func part(number int) *report.Builder {
	run := testRun("run")
	run.Start = run.Start.Add(time.Duration(number) * 1300 * time.Millisecond)
	b := report.NewBuilder(run, report.BuilderOptions{Partial: true, Examples: 1000})
	b.SetPhases([]report.Phase{
		{Name: "baseline", Start: start(), End: start().Add(10 * time.Second), Toxics: []string{"a"}},
		{Name: "503s", Start: start().Add(10 * time.Second), End: start().Add(20 * time.Second)},
	})
	b.SetSpans(report.Spans{Received: 7})
	return b
}

func end(number int) time.Time { return start().Add(2*time.Hour + time.Duration(number)) }

// sharded judges the traffic on n shards. A restarted attempt is missing on its
// own shard, and the claim for it lies on another one.
func sharded(t *rapid.T, list traffic, n int) []*report.Report {
	builders := make([]*report.Builder, n)
	for i := range builders {
		builders[i] = part(i)
	}
	for _, o := range list {
		home := rapid.IntRange(0, n-1).Draw(t, "shard")
		r := o.Results[0]
		if r.Verdict == verdict.Restarted && n > 1 {
			r.Verdict = verdict.Missing
			if r.Attempt.Outcome == span.OutcomeSentFailed {
				r.Verdict = verdict.Undecided
			}
			o.Results = []verdict.Result{r}
			claim := report.Claim{TraceID: r.Attempt.TraceID, SpanID: r.Attempt.SpanID}
			claim.Root[0] = byte(home + 1)
			other := (home + 1 + rapid.IntRange(0, n-2).Draw(t, "claim shard")) % n
			builders[other].AddClaim(claim)
		}
		builders[home].Add(o)
	}
	parts := make([]*report.Report, n)
	for i, b := range builders {
		parts[i] = b.Report(end(i))
	}
	return parts
}

func encoded(t require.TestingT, r *report.Report) string {
	var b bytes.Buffer
	require.NoError(t, report.WriteJSON(&b, r))
	return b.String()
}

func merged(t require.TestingT, parts ...*report.Report) *report.Report {
	r, err := Merge(parts)
	require.NoError(t, err)
	return r
}

func TestMergeEqualsTheReportOfOneProcess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := drawTraffic(t)
		whole := part(0)
		for _, o := range list {
			whole.Add(o)
		}
		want := merged(t, whole.Report(end(0))) // on the merge's grid of seconds
		parts := sharded(t, list, rapid.IntRange(2, 4).Draw(t, "shards"))
		got := merged(t, parts...)
		assert.Equal(t, want.Totals, got.Totals)
		for _, dimension := range report.Dimensions() {
			require.Len(t, got.By[dimension], len(want.By[dimension]), dimension)
			for i, row := range want.By[dimension] {
				assert.Equal(t, row.Key, got.By[dimension][i].Key)
				assert.Equal(t, row.Counts, got.By[dimension][i].Counts, "%s %s", dimension, row.Key)
				assert.Equal(t, row.Duration.Bars(), got.By[dimension][i].Duration.Bars())
			}
		}
		for name, h := range want.Histograms {
			assert.Equal(t, h.Bars(), got.Histograms[name].Bars(), name)
		}
		assert.Equal(t, want.Edges, got.Edges)
		assert.Equal(t, want.Services, got.Services)
		assert.Equal(t, want.Control, got.Control)
		requireSameSeries(t, want, got)
		assert.Equal(t, len(parts), got.Run.Instances)
		assert.Equal(t, uint64(7*len(parts)), got.Spans.Received)
	})
}

// fingerprint is everything a report holds, with its histograms as plain bars:
// compressing them takes most of encoding's time.
func fingerprint(t require.TestingT, r *report.Report) string {
	plain, bars := *r, make(map[string][]report.Bar)
	plain.Histograms, plain.By = nil, make(map[string][]report.Row)
	for name, h := range r.Histograms {
		bars[name] = h.Bars()
	}
	for dimension, rows := range r.By {
		rows = slices.Clone(rows)
		for i := range rows {
			bars[dimension+" "+rows[i].Key] = rows[i].Duration.Bars()
			rows[i].Duration = nil
		}
		plain.By[dimension] = rows
	}
	plain.Series.Buckets = slices.Clone(r.Series.Buckets)
	for i := range plain.Series.Buckets {
		bars["bucket "+strconv.Itoa(i)] = plain.Series.Buckets[i].Duration.Bars()
		plain.Series.Buckets[i].Duration = nil
	}
	text, err := json.Marshal([]any{plain, bars})
	require.NoError(t, err)
	return string(text)
}

func TestMergeDoesNotDependOnOrderOrGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := sharded(t, drawTraffic(t), 3)
		before := make([]string, len(parts))
		for i, p := range parts {
			before[i] = fingerprint(t, p)
		}
		want := fingerprint(t, merged(t, parts...))
		shuffled := slices.Clone(parts)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		assert.Equal(t, want, fingerprint(t, merged(t, shuffled...)), "order")
		cut := rapid.IntRange(1, 2).Draw(t, "cut")
		left, right := merged(t, shuffled[:cut]...), merged(t, shuffled[cut:]...)
		assert.Equal(t, want, fingerprint(t, merged(t, left, right)), "grouping")
		for i, p := range parts {
			assert.Equal(t, before[i], fingerprint(t, p), "the parts are not changed")
		}
	})
}

func TestAMergedReportCanBeReadAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := merged(t, sharded(t, drawTraffic(t), 2)...)
		text := encoded(t, m)
		back, err := report.ReadJSON(bytes.NewReader([]byte(text)))
		require.NoError(t, err)
		assert.Equal(t, text, encoded(t, back))
	})
}

// missingOutcome is one missing attempt.
func missingOutcome(id uint64) verdict.Outcome {
	a := span.Attempt{Labels: &span.Labels{Name: "/a", Method: "GET"}, Number: 1, Start: start().UnixNano()}
	binary.BigEndian.PutUint64(a.TraceID[:], id)
	binary.BigEndian.PutUint64(a.SpanID[:], id)
	return verdict.Outcome{
		Trace:   &join.Trace{ID: a.TraceID, Attempts: []span.Attempt{a}},
		Results: []verdict.Result{{Attempt: &a, Verdict: verdict.Missing, Reason: "nothing arrived"}},
	}
}

func TestAClaimOnAnotherShardMovesItsAttemptOnce(t *testing.T) {
	t.Parallel()
	home, first, second := part(0), part(1), part(2)
	lost, unclaimed := missingOutcome(1), missingOutcome(2)
	home.Add(lost)
	home.Add(unclaimed)
	a := lost.Results[0].Attempt
	for root, b := range []*report.Builder{first, second} { // a retry inside the service claims too
		c := report.Claim{TraceID: a.TraceID, SpanID: a.SpanID}
		c.Root[0] = byte(root + 1)
		b.AddClaim(c)
	}
	got := merged(t, home.Report(end(0)), first.Report(end(1)), second.Report(end(2)))
	assert.Equal(t, map[string]uint64{"missing": 1, "restarted": 1}, got.Totals.Verdicts)
	assert.Equal(t, uint64(2), got.Totals.Broken)
	assert.Equal(t, map[string]uint64{"missing": 1, "restarted": 1}, got.By["name"][0].Verdicts)
	require.Len(t, got.Partial.Missing, 2, "evidence stays, for merges to come")
	assert.Equal(t, "restarted", got.Partial.Missing[0].Merged)
	assert.Empty(t, got.Partial.Missing[1].Merged)
	assert.Len(t, got.Partial.Claims, 1)
	require.Len(t, got.Examples, 2)
	assert.Equal(t, "missing", got.Examples[0].Verdict)
	assert.Equal(t, a.TraceID, got.Examples[1].TraceID)
	assert.Equal(t, "restarted", got.Examples[1].Attempts[0].Verdict)
	assert.Equal(t, movedReason, got.Examples[1].Reason)
}

func TestEvidenceThatDidNotFitIsReported(t *testing.T) {
	t.Parallel()
	a, b := part(0).Report(end(0)), part(1).Report(end(1))
	a.Partial.MissingDropped, b.Partial.ClaimsDropped = 3, 4
	got := merged(t, a, b)
	assert.Equal(t, uint64(3), got.Partial.MissingDropped)
	assert.Equal(t, uint64(4), got.Partial.ClaimsDropped)
	assert.Contains(t, got.Warnings, evidenceWarning)
	assert.Equal(t, encoded(t, got), encoded(t, merged(t, got)), "said once")
}

func TestPartsOfOtherRunsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*report.Report)
		want   string
	}{
		"another run":    {func(r *report.Report) { r.Run.ID = "other" }, `test is "other", but "run" before`},
		"another script": {func(r *report.Report) { r.Run.ScriptHash = "beef" }, `script hash is "beef", but "5a1f" before`},
		"another plan":   {func(r *report.Report) { r.Run.Plan = "latency" }, `plan is "latency", but "checkout" before`},
		"another schema": {func(r *report.Report) { r.SchemaVersion = 2 }, "schema version 2, want 1"},
		"another test": {func(r *report.Report) {
			r.Run.Labels = map[string]string{"testid": "x"}
		}, `test is "x", but "run" before`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := part(0).Report(end(0)), part(1).Report(end(1))
			c.change(b)
			_, err := Merge([]*report.Report{a, b})
			require.ErrorIs(t, err, ErrForeignPart)
			require.ErrorContains(t, err, "merging reports: report 2: "+ErrForeignPart.Error()+": "+c.want)
		})
	}
}

func TestRunnersWithOneTestIDBelongTogether(t *testing.T) {
	t.Parallel()
	a, b := part(0).Report(end(0)), part(1).Report(end(1))
	a.Run.ID, b.Run.ID = "one", "two"
	a.Run.Labels = map[string]string{"testid": "nightly", "pod": "1"}
	b.Run.Labels = map[string]string{"testid": "nightly", "pod": "2"}
	b.Run.ScriptHash, b.Run.K6Version = "", "" // a Collector does not know them
	got := merged(t, a, b)
	assert.Equal(t, "one, two", got.Run.ID)
	assert.Equal(t, "1, 2", got.Run.Labels["pod"])
	assert.Equal(t, "5a1f", got.Run.ScriptHash)
}

func TestMergeRefusesNothingAndTheSamePartTwice(t *testing.T) {
	t.Parallel()
	_, err := Merge(nil)
	require.EqualError(t, err, "merging reports: want one report or more, got none")
	_, err = Merge([]*report.Report{nil})
	require.EqualError(t, err, "merging reports: report 1 is nil")
	b := part(0)
	b.Add(missingOutcome(1))
	r := b.Report(end(0))
	_, err = Merge([]*report.Report{r, r})
	require.EqualError(t, err, "merging reports: reports 1 and 2 hold the same part of run run")
}
