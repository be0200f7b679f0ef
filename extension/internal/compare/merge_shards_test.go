package compare

import (
	"encoding/binary"
	"strings"
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

// requireSameSeries compares series bucket by bucket; how many empty ones are at
// either end depends on when the parts began.
func requireSameSeries(t require.TestingT, want, got *report.Report) {
	buckets := func(r *report.Report) map[int64]report.Bucket {
		out := make(map[int64]report.Bucket)
		for i, b := range r.Series.Buckets {
			if b.Attempts > 0 {
				out[r.Series.Start.Unix()+int64(i*r.Series.BucketSeconds)] = b
			}
		}
		return out
	}
	require.Equal(t, want.Series.BucketSeconds, got.Series.BucketSeconds)
	ours := buckets(got)
	require.Len(t, ours, len(buckets(want)))
	for second, b := range buckets(want) {
		require.Equal(t, b.Duration.Bars(), ours[second].Duration.Bars(), second)
		b.Duration = ours[second].Duration
		require.Equal(t, b, ours[second], second)
	}
}

// attemptAt is one attempt with a verdict that began some seconds into the run.
func attemptAt(id uint64, second float64, v verdict.Verdict) verdict.Outcome {
	a := span.Attempt{
		Labels: &span.Labels{Name: "/a", Method: "GET"}, Number: 1, Status: 200,
		Start: start().Add(time.Duration(second * float64(time.Second))).UnixNano(),
	}
	binary.BigEndian.PutUint64(a.TraceID[:], id)
	binary.BigEndian.PutUint64(a.SpanID[:], id)
	return verdict.Outcome{
		Trace:   &join.Trace{ID: a.TraceID, Attempts: []span.Attempt{a}},
		Results: []verdict.Result{{Attempt: &a, Verdict: v}},
	}
}

// stretchOf is a stretch of a shard, in seconds of the run.
func stretchOf(instance string, first, last uint64, begin, end float64) report.Shard {
	at := func(s float64) time.Time { return start().Add(time.Duration(s * float64(time.Second))) }
	return report.Shard{
		Instance: instance, Started: at(-60), First: first, Last: last, Begin: at(begin), End: at(end),
		FirstAttempt: at(begin), LastAttempt: at(end - 3), SettleMS: 1000, Final: true,
	}
}

func shardPart(s report.Shard, outcomes ...verdict.Outcome) *report.Report {
	b := report.NewBuilder(report.Run{ID: "run", Start: s.Begin, Source: "collector=" + s.Instance},
		report.BuilderOptions{Partial: true})
	for _, o := range outcomes {
		b.Add(o)
	}
	b.SetShard(s)
	return b.Report(s.End)
}

// missingEverywhere has one attempt without a SERVER span each 10 seconds.
func missingEverywhere(s report.Shard) *report.Report {
	var all []verdict.Outcome
	for i := range 10 {
		all = append(all, attemptAt(uint64(i+1), float64(10*i)+0.5, verdict.Missing))
	}
	return shardPart(s, all...)
}

func TestWhatAShardThatIsGoneMayHaveSeenIsUndecided(t *testing.T) {
	t.Parallel()
	all := func(s report.Shard) report.Shard { return s }
	for name, c := range map[string]struct {
		other   []report.Shard
		change  func(report.Shard) report.Shard
		missing uint64
		want    string
	}{
		"both shards are complete": {
			other: []report.Shard{stretchOf("b", 1, 4, 0, 100)}, missing: 10,
		},
		"a shard was killed": {
			other:  []report.Shard{{Instance: "b", First: 1, Last: 3, SettleMS: 1000, Begin: start(), End: start().Add(50 * time.Second)}},
			change: all, missing: 5, want: "b has no part after 12:00:50.000Z: 5 attempts",
		},
		"a shard was killed and came back": {
			other: []report.Shard{
				{Instance: "b", First: 1, Last: 3, SettleMS: 1000, Begin: start(), End: start().Add(42 * time.Second)},
				stretchOf("b", 7, 9, 70, 100),
			},
			missing: 6, want: "b has no part after 12:00:42.000Z until 12:01:10.000Z: 4 attempts",
		},
		"a shard joined": {
			other: []report.Shard{func() report.Shard {
				s := stretchOf("b", 1, 4, 31, 100)
				s.Started = start().Add(31 * time.Second)
				return s
			}()},
			missing: 9, want: "b joined at 12:00:31.000Z: 1 attempts",
		},
		"a shard was stopped": {
			other: []report.Shard{func() report.Shard {
				s := stretchOf("b", 1, 4, 0, 61)
				s.Stopped = true
				return s
			}()},
			missing: 9, want: "b left at 12:01:01.000Z: 1 attempts",
		},
		"a shard was stopped before the last spans were due": {
			other: []report.Shard{func() report.Shard {
				s := stretchOf("b", 1, 4, 0, 97.5)
				s.LastAttempt, s.Stopped = start().Add(90*time.Second), true
				return s
			}()},
			missing: 10, want: "b left at 12:01:37.500Z: 0 attempts",
		},
		"a shard was stopped and came back": {
			other: []report.Shard{func() report.Shard {
				s := stretchOf("b", 1, 4, 0, 42)
				s.Stopped = true
				return s
			}(), func() report.Shard {
				s := stretchOf("b", 1, 4, 71, 100)
				s.Started = start().Add(71 * time.Second)
				return s
			}()},
			missing: 6, want: "b left at 12:00:42.000Z, back at 12:01:11.000Z: 4 attempts",
		},
		"a shard was quiet and not heard of again": {
			other:   []report.Shard{stretchOf("b", 1, 4, 0, 50)},
			missing: 5, want: "b has no part after 12:00:50.000Z: 5 attempts",
		},
		"a shard was quiet": {
			other: []report.Shard{stretchOf("b", 1, 4, 0, 50), stretchOf("b", 7, 9, 80, 100)}, missing: 10,
		},
		"a shard was killed, and one of its name was not": {
			other: []report.Shard{
				{Instance: "b", First: 1, Last: 3, SettleMS: 1000, Begin: start(), End: start().Add(50 * time.Second)},
				stretchOf("b", 1, 9, 0, 100),
			},
			missing: 5, want: "b has no part after 12:00:50.000Z: 5 attempts",
		},
		"a shard that there should be has no part": {
			change: func(s report.Shard) report.Shard { s.Shards = 2; return s },
			want:   "of 2 shards 1 have no part here: 10 attempts",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := stretchOf("a", 1, 4, 0, 100)
			if c.change != nil {
				mine = c.change(mine)
			}
			parts := []*report.Report{missingEverywhere(mine)}
			for _, s := range c.other {
				parts = append(parts, shardPart(s))
			}
			got := merged(t, parts...)
			assert.Equal(t, c.missing, got.Totals.Verdicts["missing"])
			assert.Equal(t, 10-c.missing, got.Totals.Verdicts["undecided"])
			assert.Equal(t, c.missing, got.Totals.Broken)
			assert.Equal(t, c.missing, got.Control.FalseBreak)
			var broken uint64
			for _, b := range got.Series.Buckets {
				broken += b.Broken
			}
			assert.Equal(t, c.missing, broken, "in the series")
			if c.want == "" {
				assert.Empty(t, got.Warnings)
				return
			}
			require.NotEmpty(t, got.Warnings)
			assert.Contains(t, strings.Join(got.Warnings, "\n"), shardWarning+c.want)
		})
	}
}

func TestAPartThatWasNotGivenIsAGap(t *testing.T) {
	t.Parallel()
	var parts []*report.Report
	for i := range 5 {
		s := stretchOf("a", uint64(i+1), uint64(i+1), float64(20*i), float64(20*i+20))
		s.Final = i == 4
		parts = append(parts, shardPart(s, attemptAt(uint64(i+1), float64(20*i)+5, verdict.Missing)))
	}
	whole := merged(t, parts...)
	assert.Equal(t, map[string]uint64{"missing": 5}, whole.Totals.Verdicts)
	require.Len(t, whole.Partial.Shards, 1)
	assert.Equal(t, uint64(5), whole.Partial.Shards[0].Last)

	gap := merged(t, parts[0], parts[1], parts[3], parts[4])
	assert.Len(t, gap.Partial.Shards, 2)
	assert.Contains(t, strings.Join(gap.Warnings, "\n"), "until 12:01:00.000Z")
	filled := merged(t, gap, parts[2])
	assert.Equal(t, fingerprint(t, whole), fingerprint(t, filled), "the missing part heals it")
}

func TestShardsMergeInAnyGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var parts []*report.Report
		id := uint64(0)
		for _, instance := range []string{"a", "b"} {
			n := rapid.IntRange(1, 4).Draw(t, "parts")
			for i := range n {
				s := stretchOf(instance, uint64(i+1), uint64(i+1), float64(10*i), float64(10*i+10))
				s.Final = i == n-1 && rapid.Bool().Draw(t, "final")
				s.Stopped = s.Final && rapid.Bool().Draw(t, "stopped")
				id++
				parts = append(parts, shardPart(s, attemptAt(id, float64(10*i)+rapid.Float64Range(0, 9).Draw(t, "at"),
					rapid.SampledFrom([]verdict.Verdict{verdict.Missing, verdict.Continued}).Draw(t, "verdict"))))
			}
		}
		parts = rapid.Permutation(parts).Draw(t, "order")
		want := fingerprint(t, merged(t, parts...))
		cut := rapid.IntRange(1, len(parts)-1).Draw(t, "cut")
		left, right := merged(t, parts[:cut]...), merged(t, parts[cut:]...)
		require.Equal(t, want, fingerprint(t, merged(t, right, left)))
	})
}

func TestAnAttemptThatEndsInADoubtIsInIt(t *testing.T) {
	t.Parallel()
	long, short := attemptAt(1, 30, verdict.Missing), attemptAt(2, 30, verdict.Missing)
	long.Results[0].Attempt.Duration = int64(20 * time.Second)
	killed := shardPart(report.Shard{
		Instance: "b", First: 1, Last: 3, SettleMS: 1000, Begin: start(), End: start().Add(50 * time.Second),
	})
	got := merged(t, shardPart(stretchOf("a", 1, 4, 0, 100), long, short), killed)
	assert.Equal(t, map[string]uint64{"missing": 1, "undecided": 1}, got.Totals.Verdicts)
}

func TestHopBreaksOfADoubtAreTold(t *testing.T) {
	t.Parallel()
	hop := attemptAt(1, 1, verdict.Continued)
	hop.ExpectedMissing = []string{"pricing"}
	mine := shardPart(stretchOf("a", 1, 4, 0, 100), hop)
	assert.Empty(t, merged(t, mine).Warnings)
	other := stretchOf("b", 1, 1, 0, 50)
	other.Final = false
	assert.Contains(t, strings.Join(merged(t, mine, shardPart(other)).Warnings, "\n"),
		"of the 1 hop breaks some may be none")
}
