package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// doubt is a time of attempts of which some shard may have lost the
// spans: what nothing arrived for is undecided then.
type doubt struct {
	from, to time.Time // to is zero for the end of the run
	why      string
}

// holds reports whether an attempt was under way in that time: its spans come
// when it has ended.
func (d doubt) holds(a *report.MissingAttempt) bool {
	ended := a.Start.Add(time.Duration(a.DurationMS) * time.Millisecond)
	return !ended.Before(d.from) && (d.to.IsZero() || !a.Start.After(d.to))
}

// shardWarning begins the warnings that follow from the shards of a merge. They
// are found anew by every merge, as one without all parts misses some.
const shardWarning = "shards: "

func withoutShardWarnings(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(w string) bool {
		return strings.HasPrefix(w, shardWarning)
	})
}

// uniteShards joins the stretches that follow each other.
func uniteShards(a, b []report.Shard) []report.Shard {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y report.Shard) int {
		return cmp.Or(strings.Compare(x.Instance, y.Instance), x.Started.Compare(y.Started),
			cmp.Compare(x.First, y.First))
	})
	var out []report.Shard
	for _, s := range all {
		if n := len(out); n > 0 && follows(&out[n-1], &s) {
			out[n-1] = stretch(out[n-1], s)
			continue
		}
		out = append(out, s)
	}
	return out
}

// follows reports whether a stretch begins where another one of the same
// Collector ends.
func follows(a, b *report.Shard) bool {
	return a.Instance == b.Instance && a.Started.Equal(b.Started) && a.Last+1 == b.First
}

func stretch(a, b report.Shard) report.Shard {
	out := b
	out.First, out.Begin = a.First, a.Begin
	if !a.FirstAttempt.IsZero() {
		out.FirstAttempt = a.FirstAttempt
	}
	if before := b.FirstAttempt; !before.IsZero() && before.Before(out.FirstAttempt) {
		out.FirstAttempt = before
	}
	if a.LastAttempt.After(b.LastAttempt) {
		out.LastAttempt = a.LastAttempt
	}
	out.SettleMS, out.Shards = max(a.SettleMS, b.SettleMS), max(a.Shards, b.Shards)
	return out
}

// load is when the first and the last attempt began that any shard judged.
func load(shards []report.Shard) (first, last time.Time) {
	for i := range shards {
		s := &shards[i]
		if !s.FirstAttempt.IsZero() && (first.IsZero() || s.FirstAttempt.Before(first)) {
			first = s.FirstAttempt
		}
		if s.LastAttempt.After(last) {
			last = s.LastAttempt
		}
	}
	return first, last
}

// doubts finds the times in which a shard was missing, or in which one came or
// went and the balancer sent the spans of one trace to two of them. A span may
// come as late as the settle time, and waits as long for its attempt.
func doubts(shards []report.Shard) []doubt {
	first, last := load(shards)
	var out []doubt
	instances, expected := make(map[string]bool), 0
	for i := range shards {
		s := &shards[i]
		instances[s.Instance] = true
		expected = max(expected, s.Shards)
		margin := margin(s)
		if s.Started.After(first) && !first.IsZero() {
			out = append(out, doubt{
				from: s.Started.Add(-margin), to: s.Started.Add(margin),
				why: fmt.Sprintf("%s joined at %s", name(s.Instance), clock(s.Started)),
			})
		}
		switch next := nextOf(shards, i); {
		case s.Stopped && s.End.Before(last.Add(margin/2)):
			out = append(out, left(s, next))
		case !s.Final, s.End.Before(last.Add(margin)) && !s.Stopped && !lives(s, next):
			out = append(out, lost(s, next))
		}
	}
	if missing := expected - len(instances); missing > 0 && len(shards) > 0 {
		out = append(out, doubt{why: fmt.Sprintf(
			"of %d shards %d have no part here", expected, missing)})
	}
	return out
}

// margin is how long after its attempt began a span can be without a part.
func margin(s *report.Shard) time.Duration {
	return 2 * time.Duration(s.SettleMS) * time.Millisecond
}

// nextOf is the stretch that a shard went on with; nil for none. Two Collectors
// with one name are two shards all the same: what overlaps is of the other one.
func nextOf(shards []report.Shard, i int) *report.Shard {
	for j := range shards[i+1:] {
		next := &shards[i+1+j]
		if next.Instance == shards[i].Instance && !next.Begin.Before(shards[i].End) {
			return next
		}
	}
	return nil
}

// lives reports whether a Collector was there all the time until the next part:
// it has none of a test of which nothing came for long.
func lives(s, next *report.Shard) bool { return next != nil && next.Started.Equal(s.Started) }

// left is the time about the stop of a Collector, and until it is back.
func left(s, next *report.Shard) doubt {
	d := doubt{
		from: s.End.Add(-margin(s)), to: s.End.Add(margin(s)),
		why: fmt.Sprintf("%s left at %s", name(s.Instance), clock(s.End)),
	}
	if next != nil {
		d.to = next.Started.Add(margin(s))
		d.why += ", back at " + clock(next.Started)
	}
	return d
}

// lost is the time for which the parts of a shard are not there: to its next
// stretch, or to the end.
func lost(s, next *report.Shard) doubt {
	d := doubt{
		from: s.End.Add(-margin(s)),
		why:  fmt.Sprintf("%s has no part after %s", name(s.Instance), clock(s.End)),
	}
	if next != nil {
		d.to = next.Begin.Add(margin(s))
		d.why += " until " + clock(next.Begin)
	}
	return d
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000Z") }

// doubtOf is the first doubt that holds for an attempt; nil for none.
func doubtOf(doubts []doubt, a *report.MissingAttempt) *doubt {
	if a.Start.IsZero() {
		return nil
	}
	for i := range doubts {
		if doubts[i].holds(a) {
			return &doubts[i]
		}
	}
	return nil
}

// warnOfDoubts says what the doubts cost.
func warnOfDoubts(doubts []doubt, undecided map[*doubt]int) (warnings []string) {
	for i := range doubts {
		warnings = append(warnings, fmt.Sprintf(
			"%s%s: %d attempts of that time that nothing arrived for are undecided, not missing",
			shardWarning, doubts[i].why, undecided[&doubts[i]]))
	}
	return warnings
}
