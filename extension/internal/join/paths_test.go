package join_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// step is one thing that happens to a world. A step of the load says what a
// sender tells: the held path keeps an operation's last attempt for its end.
type step struct {
	kind    stepKind
	trace   uint64
	attempt byte
	change  func(*span.Attempt)
	span    span.Record
	wait    time.Duration
}

type stepKind int

const (
	opens stepKind = iota
	sends
	ends
	reports
	waits
	partial
	concludes
)

// drawSteps draws operations on a few traces, of which some share a shard, some
// a trace id, with waits in between that settle, give up or evict them.
func drawSteps(t *rapid.T) []step {
	var out []step
	sent := map[uint64]byte{}
	under := map[uint64]int{}
	ids := []uint64{1, 2, 65, 129, 193} // all but 2 are of one shard
	fates := []func(*span.Attempt){
		func(*span.Attempt) {}, func(*span.Attempt) {}, unsampled, reset, sentTwice, aborted, failed,
	}
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		id := rapid.SampledFrom(ids).Draw(t, "trace")
		s := step{trace: id, kind: rapid.SampledFrom([]stepKind{
			opens, opens, sends, sends, sends, ends, ends, reports, reports, waits, partial, concludes,
		}).Draw(t, "kind")}
		switch s.kind {
		case opens:
			under[id]++
		case sends:
			if under[id] == 0 {
				continue
			}
			sent[id]++
			s.attempt, s.change = sent[id], rapid.SampledFrom(fates).Draw(t, "fate")
		case ends:
			if under[id] == 0 {
				continue
			}
			under[id]--
		case reports:
			n := byte(100 + len(out))
			parent := byte(rapid.IntRange(0, 4).Draw(t, "parent"))
			s.span = server(id, n, parent)
			if rapid.IntRange(0, 3).Draw(t, "claims") == 0 {
				s.span = claiming(server(id+1000, n, 0), id, max(1, parent))
			}
		case waits:
			s.wait = rapid.SampledFrom([]time.Duration{
				0, linger, settle, 2 * time.Minute,
			}).Draw(t, "wait")
		case partial, concludes:
		}
		out = append(out, s)
	}
	for _, id := range ids {
		for range under[id] {
			out = append(out, step{trace: id, kind: ends})
		}
	}
	return out
}

// sender tells a store of the load, either at once or with held attempts.
type sender struct {
	*world

	held    bool // attempts are held for the end
	through bool // while time passes as well
	kept    map[uint64][]span.Attempt
	settled []*join.Trace
}

func (s *sender) play(steps []step) {
	for i, this := range steps {
		switch this.kind {
		case opens:
			s.Open(traceID(this.trace), s.now)
		case sends:
			a := s.attempt(this.trace, this.attempt, this.change)
			if s.held && s.endsNext(steps[i+1:], this.trace) {
				s.kept[this.trace] = append(s.kept[this.trace], a)
				continue
			}
			s.Attempt(a, s.now)
		case ends:
			s.end(this.trace)
		case reports:
			s.receive(this.span)
		case waits:
			s.settled = append(s.settled, s.after(this.wait)...)
		case partial:
			s.MarkPartial(traceID(this.trace), "the source is partial", s.now)
		case concludes:
			s.Conclude(traceID(this.trace), s.now)
		}
	}
	for range 25 {
		s.settled = append(s.settled, s.after(linger)...)
	}
	s.settled = append(s.settled, s.Drain("the end", s.now)...)
}

func (s *sender) end(trace uint64) {
	if kept := s.kept[trace]; len(kept) > 0 {
		s.kept[trace] = kept[:len(kept)-1]
		s.Finish(kept[len(kept)-1], s.now)
		return
	}
	s.Close(traceID(trace), s.now)
}

// endsNext reports whether the next thing that happens to a trace, but for spans,
// is the end of an operation. Others may evict it before.
func (s *sender) endsNext(steps []step, trace uint64) bool {
	for _, next := range steps {
		switch {
		case next.kind == waits:
			if !s.through {
				return false
			}
		case next.trace == trace && next.kind == ends:
			return true
		case next.trace == trace && next.kind != reports:
			return false
		}
	}
	return false
}

// described says what has settled, and how it was judged, per attempt.
func (s *sender) described(t require.TestingT) map[string]string {
	out := make(map[string]string)
	for _, tr := range s.settled {
		for i, r := range verdict.NewJudge(verdict.Options{}).Decide(tr).Results {
			require.Equal(t, tr.ID, tr.Attempts[i].TraceID)
			key := fmt.Sprint(r.Attempt.TraceID, r.Attempt.SpanID)
			require.NotContains(t, out, key, "an attempt is judged once")
			out[key] = fmt.Sprint(r.Verdict, r.Via, r.Inferred, r.Explained, r.Reason, tr.Reason, tr.Detail)
		}
	}
	return out
}

// contents are the settled traces without what depends on who told first.
func (s *sender) contents() []string {
	out := make([]string, len(s.settled))
	for i, tr := range s.settled {
		ids := make([]int, len(tr.Attempts))
		for j := range tr.Attempts {
			ids[j] = int(tr.Attempts[j].SpanID[0])
		}
		out[i] = fmt.Sprint(tr.ID, ids, len(tr.Spans), len(tr.Claimed), len(tr.Roots), tr.Reason,
			tr.Detail, tr.Redelivered, tr.Truncated, tr.SettleTime)
	}
	slices.Sort(out)
	return out
}

func count(steps []step, kind stepKind) (n int) {
	for _, s := range steps {
		if s.kind == kind {
			n++
		}
	}
	return n
}

// TestHeldAttemptsSettleAsThoseToldAtOnce feeds the same operations through
// Open, Attempt and Close, and through Finish with the last attempt. A store
// that has room gives back the same in all.
func TestHeldAttemptsSettleAsThoseToldAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t)
		config := join.Config{OpenLimit: time.Minute}
		told := &sender{world: newWorld(config)}
		held := &sender{world: newWorld(config), held: true, kept: map[uint64][]span.Attempt{}}
		told.play(steps)
		held.play(steps)
		require.Equal(t, told.described(t), held.described(t))
		require.Equal(t, told.contents(), held.contents())
		require.Equal(t, told.Stats(), held.Stats())
		require.Len(t, held.described(t), count(steps, sends), "attempts in, verdicts out")
	})
}

// TestAHeldAttemptIsNeverLostOrBrokenByEviction: in a store without room a trace
// may go while its attempt is held. Then the attempt is undecided, or what it
// spans prove: never lost, and never broken by the eviction.
func TestAHeldAttemptIsNeverLostOrBrokenByEviction(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t)
		config := join.Config{
			OpenLimit: time.Minute, MaxTraces: rapid.IntRange(1, 3).Draw(t, "most"),
			MaxSpans: rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "spans"),
		}
		tight := &sender{world: newWorld(config), held: true, through: true, kept: map[uint64][]span.Attempt{}}
		tight.play(steps)
		require.Len(t, tight.described(t), count(steps, sends), "attempts in, verdicts out")
		require.Equal(t, uint64(count(steps, sends)), tight.Stats().Attempts)
		require.Zero(t, tight.Stats().Open)
		for _, tr := range tight.settled {
			if tr.Reason != join.ReasonEvicted && tr.Reason != join.ReasonPartial {
				continue
			}
			for _, r := range verdict.NewJudge(verdict.Options{}).Decide(tr).Results {
				proven := r.Server != nil && !r.Inferred
				require.True(t, proven || !r.Verdict.Broken(), "%s by an eviction", r.Verdict)
			}
		}
	})
}

// TestATraceIsEvictedWhileItsOnlyAttemptIsHeld: the spans go with the trace, and
// the attempt is undecided when it comes.
func TestATraceIsEvictedWhileItsOnlyAttemptIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{MaxTraces: 1})
	w.Open(traceID(1), w.now)
	held := w.attempt(1, 1)
	w.receive(server(1, 10, 1))
	w.Open(traceID(65), w.now) // of the same shard
	w.receive(server(1, 11, 10))
	settled := w.after(time.Millisecond)
	w.Finish(held, w.now)
	settled = append(settled, w.after(0)...)
	require.Len(t, settled, 2)
	require.False(t, settled[0].Waited(), "nothing was waited for")
	before := verdict.NewJudge(verdict.Options{}).Decide(settled[0])
	require.Empty(t, before.Results)
	require.Empty(t, before.Edges, "its parent is under way")
	require.Empty(t, before.Services)
	result := verdict.NewJudge(verdict.Options{}).Decide(settled[1]).Results
	require.Len(t, result, 1)
	require.Equal(t, verdict.Undecided, result[0].Verdict)
	require.Equal(t, "settled early: too many traces were open", result[0].Reason)
	require.Equal(t, uint64(1), w.Stats().Attempts)
	require.Equal(t, uint64(1), w.Stats().Late)
}

// TestASpanThatOvertakesAnAttemptTooManyBreaksNothing: it goes with the attempts
// before, and what it would have answered is undecided.
func TestASpanThatOvertakesAnAttemptTooManyBreaksNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{MaxSpans: 2})
	w.Open(traceID(1), w.now)
	for n := range byte(3) {
		w.receive(server(1, 11+n, 1+n))
		w.Attempt(w.attempt(1, 1+n), w.now)
	}
	w.Finish(w.attempt(1, 4), w.now)
	w.receive(server(1, 14, 4))
	got := make(map[byte]verdict.Verdict)
	for _, tr := range w.after(settle) {
		for _, r := range verdict.NewJudge(verdict.Options{}).Decide(tr).Results {
			got[r.Attempt.SpanID[0]] = r.Verdict
		}
	}
	require.Equal(t, map[byte]verdict.Verdict{
		1: verdict.Continued, 2: verdict.Continued, 3: verdict.Undecided, 4: verdict.Continued,
	}, got)
}

// TestAnAttemptBehindTheEndOfItsTraceIsNotMissing: its span was late.
func TestAnAttemptBehindTheEndOfItsTraceIsNotMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(join.Config{})
	w.Open(traceID(1), w.now)
	w.Close(traceID(1), w.now)
	require.Len(t, w.after(settle), 1)
	w.receive(server(1, 10, 1))
	w.Attempt(w.attempt(1, 1), w.now)
	settled := w.after(settle)
	require.Len(t, settled, 1)
	result := verdict.NewJudge(verdict.Options{}).Decide(settled[0]).Results
	require.Len(t, result, 1)
	require.Equal(t, verdict.Undecided, result[0].Verdict)
	w.send(1, 2) // is announced
	w.receive(server(1, 11, 2))
	settled = w.after(linger)
	require.Len(t, settled, 1)
	require.Equal(t, join.ReasonComplete, settled[0].Reason)
}
