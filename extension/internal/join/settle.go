package join

import (
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// Advance settles what is due by now and returns it, with what was evicted.
func (s *Store) Advance(now time.Time) []*Trace {
	l := &s.lending
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blanks.trim()
	var out []*Trace
	for i := range s.shards {
		out = s.advance(&s.shards[i], now, out)
	}
	return out
}

// advance settles what is due in a shard and appends it. The lending is locked.
func (s *Store) advance(sh *shard, now time.Time, out []*Trace) []*Trace {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.spare.trim()
	at := s.at(now)
	for e := sh.due(at); e != nil; e = sh.due(at) {
		if reason, settled := s.state(sh, e, at); settled {
			s.settle(sh, e, s.lending.blanks.take(), reason, now)
			continue
		}
		sh.again(e, at+int64(s.config.Linger))
	}
	s.tell(sh)
	return sh.takeReady(out, &s.lending.blanks)
}

// tell counts the traces that have settled as no longer open. What processors
// share is told once per look at a shard, as it would hold up every trace.
func (s *Store) tell(sh *shard) {
	s.open.Add(-sh.gone)
	sh.gone = 0
}

// state decides whether a trace has settled.
func (s *Store) state(sh *shard, e *entry, at int64) (Reason, bool) {
	if e.operations > 0 {
		return ReasonTimeout, at-e.event > int64(s.config.OpenLimit)
	}
	quiet := at-e.event >= int64(s.config.Linger)
	switch {
	case quiet && e.seldom().partial != "":
		return ReasonPartial, true
	case quiet && s.complete(e) && (!e.hopeful || e.concluded || !s.hasRoom(sh)):
		return ReasonComplete, true
	case e.concluded, at-e.lastAttempt >= int64(s.config.Settle):
		return ReasonTimeout, true
	default:
		return 0, false
	}
}

// hasRoom reports whether traces that owe nothing may stay.
func (s *Store) hasRoom(sh *shard) bool {
	return 2*(s.open.Load()-sh.gone) < int64(s.config.MaxTraces)
}

// complete caches its answer until the trace changes.
func (s *Store) complete(e *entry) bool {
	if e.changed {
		e.changed, e.whole = false, s.isComplete(e)
	}
	return e.whole
}

// evict settles a trace for want of room.
func (s *Store) evict(sh *shard, e *entry, now time.Time) {
	s.settle(sh, e, new(Trace), ReasonEvicted, now)
	sh.evicted++
	s.tell(sh)
}

// settle takes the trace out of its shard and gives it back as t.
func (s *Store) settle(sh *shard, e *entry, t *Trace, reason Reason, now time.Time) {
	if e.operations > 0 {
		sh.giveUp(e, reason)
	}
	sh.remove(e)
	sh.gone++
	sh.settled++
	s.learn(sh, e)
	odd := e.seldom()
	*t = Trace{
		ID: e.id, Attempts: e.attempts, Spans: e.spans, Claimed: odd.claimed, Reason: reason,
		Detail: odd.partial, Redelivered: odd.redelivered, Truncated: odd.truncated, home: e,
	}
	if len(e.attempts) > 0 {
		t.SettleTime = time.Duration(max(0, s.at(now)-e.lastAttempt))
	}
	if detail := s.doubts(e); detail != "" && reason == ReasonTimeout {
		t.Reason, t.Detail = ReasonPartial, detail
	}
	switch {
	case t.Reason != ReasonTimeout:
	case e.lostParent(): // a trace that lost a span did not lose its context
		t.Served = s.servers(e)
	default:
		t.Roots = s.offer(e)
	}
	sh.ready = append(sh.ready, t)
}

// doubts says why spans that are absent prove nothing; empty when they do.
func (s *Store) doubts(e *entry) string {
	if doubt := s.doubt.Load(); doubt != nil {
		return *doubt
	}
	if e.renewed {
		return "the trace has too many attempts"
	}
	return ""
}

// giveUp remembers that operations of a settled trace are under way.
func (sh *shard) giveUp(e *entry, reason Reason) {
	g := &given{operations: e.operations, reason: reason, detail: e.seldom().partial}
	if reason == ReasonTimeout {
		g.reason, g.detail = ReasonPartial, "its operation was open for too long"
	}
	sh.given.add(e.id, g)
}

// lostParent reports whether a span's parent never arrived.
func (e *entry) lostParent() bool {
	for i := range e.spans {
		if parent := e.spans[i].ParentID; !parent.IsZero() && !e.has(parent) {
			return true
		}
	}
	return false
}

// servers names who serves requests like those of the attempts.
func (s *Store) servers(e *entry) []Served {
	var out []Served
	for i := range e.attempts {
		for _, service := range s.roots.services(&e.attempts[i]) {
			out = append(out, Served{i, service})
		}
	}
	return out
}

// offer finds roots for the attempts that got no answer.
func (s *Store) offer(e *entry) []Root {
	var out []Root
	for i := range e.attempts {
		a := &e.attempts[i]
		if !IsDue(a) || e.answered(a) {
			continue
		}
		if r, ok := s.roots.take(a); ok {
			out = append(out, Root{i, r})
		}
	}
	return out
}

// learn remembers which spans lead to a SERVER span, and who serves what.
func (s *Store) learn(sh *shard, e *entry) {
	for i := range e.seldom().claimed {
		s.learnClaim(sh, &e.rare.claimed[i])
	}
	for i := range e.spans {
		child := &e.spans[i]
		if child.Kind != span.KindServer {
			continue
		}
		if !child.Claim.IsZero() {
			s.learnClaim(sh, child)
		}
		for j := range e.attempts {
			a := &e.attempts[j]
			if below(child, a) && sh.served.first(serves{a.Labels, child.Descriptor}) {
				s.roots.learn(a, child)
			}
		}
		s.learnHop(e, child)
	}
}

func (s *Store) learnClaim(sh *shard, r *span.Record) {
	if sh.claiming.first(r.Descriptor) {
		s.roots.learnClaim(r)
	}
}

func (s *Store) learnHop(e *entry, child *span.Record) {
	for i := range e.spans {
		if parent := &e.spans[i]; parent.SpanID == child.ParentID {
			s.hops.learn(parent, child)
		}
	}
}

// Drain settles everything that is left as interrupted.
func (s *Store) Drain(detail string, now time.Time) []*Trace {
	l := &s.lending
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*Trace
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for e := sh.ages.front; e != nil; e = sh.ages.front {
			partial := e.seldom().partial
			reason := ReasonInterrupted
			switch {
			case e.operations > 0:
				e.odd().partial = detail
			case partial != "":
				reason = ReasonPartial
			case s.complete(e):
				reason = ReasonComplete
			case e.concluded:
				reason = ReasonTimeout
			default:
				e.odd().partial = detail
			}
			s.settle(sh, e, l.blanks.take(), reason, now)
		}
		s.tell(sh)
		out = sh.takeReady(out, &l.blanks)
		sh.mu.Unlock()
	}
	return out
}
