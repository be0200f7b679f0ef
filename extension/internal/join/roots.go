package join

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Bounds of what is kept to tie restarted traces without their ids.
const (
	maxRootKeys = 1024
	maxRoots    = 1024   // per key
	maxServed   = 10_000 // names of requests
	maxSeen     = 16_384 // per generation
	maxServing  = 16     // services per name
)

// roots are SERVER spans that began a trace of their own and claim no attempt,
// and what is known of who serves which request.
type roots struct {
	mu     sync.Mutex
	byKind map[rootKey][]root // in order of arrival
	// seen are the roots that came lately, in two generations: one that is delivered
	// again is no other request.
	seen, before map[rootID]struct{}

	served     sync.Map // servedKey -> *serving
	servedSize atomic.Int64
	claiming   sync.Map // service name -> true: its spans carry the User-Agent
}

type rootKey struct{ service, method string }

type rootID struct {
	trace tracecontext.TraceID
	span  tracecontext.SpanID
}

type servedKey struct{ name, method string }

// serving is who serves a kind of request: one service as a rule, and several
// where versions of it stand side by side under names of their own.
type serving struct {
	kind   *span.Descriptor // the first SERVER span's
	mu     sync.Mutex
	others []string // further services; beyond maxServing it is not known who
}

func (s *serving) add(service string) {
	if service == s.kind.Service {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.others) <= maxServing && !slices.Contains(s.others, service) {
		s.others = append(s.others, service)
	}
}

// root is a candidate with its time of arrival, by our own clock: a service's
// clock may be off by any amount.
type root struct {
	record  span.Record
	arrived arrival
}

// keep takes a foreign span, if it can be the restarted trace of an attempt.
func (rs *roots) keep(r *span.Record, arrived arrival, oldest int64) {
	if r.Kind != span.KindServer || !r.ParentID.IsZero() || !r.Claim.IsZero() {
		return
	}
	if _, claiming := rs.claiming.Load(r.Descriptor.Service); claiming {
		return // ours would carry a claim
	}
	key := rootKey{r.Descriptor.Service, r.Descriptor.Method}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !rs.first(rootID{r.TraceID, r.SpanID}) {
		return
	}
	list, known := rs.byKind[key]
	if !known && len(rs.byKind) >= maxRootKeys {
		return
	}
	for len(list) > 0 && (list[0].arrived.at < oldest || len(list) >= maxRoots) {
		list = list[1:]
	}
	if rs.byKind == nil {
		rs.byKind = make(map[rootKey][]root)
	}
	rs.byKind[key] = append(list, root{*r, arrived})
}

// first reports whether a root has not come lately, and remembers it.
func (rs *roots) first(id rootID) bool {
	_, known := rs.seen[id]
	if !known {
		_, known = rs.before[id]
	}
	if rs.seen == nil || len(rs.seen) >= maxSeen {
		rs.seen, rs.before = make(map[rootID]struct{}), rs.seen
	}
	rs.seen[id] = struct{}{}
	return !known
}

// take removes and returns the first root that fits an attempt: of the service
// that serves such requests, with the same method and route, and arrived since
// the attempt was sent.
func (rs *roots) take(a *span.Attempt) (span.Record, bool) {
	served := rs.server(a)
	key := rootKey{rs.service(a), a.Labels.Method}
	if _, claiming := rs.claiming.Load(key.service); claiming || key.service == "" {
		return span.Record{}, false
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	list := rs.byKind[key]
	for i := range list {
		route := list[i].record.Descriptor.Route
		fits := served != nil && served.Route == route || matchesRoute(a.Labels.Name, route)
		if !fits || list[i].arrived.wall < a.Start {
			continue
		}
		found := list[i].record
		rs.byKind[key] = append(list[:i:i], list[i+1:]...)
		return found, true
	}
	return span.Record{}, false
}

// server is the kind of SERVER span that such attempts had; nil if none had.
func (rs *roots) server(a *span.Attempt) *span.Descriptor {
	if known := rs.serving(a); known != nil {
		return known.kind
	}
	return nil
}

func (rs *roots) serving(a *span.Attempt) *serving {
	known, _ := rs.served.Load(servedKey{a.Labels.Name, a.Labels.Method})
	served, _ := known.(*serving)
	return served
}

// services are all that serve such attempts; none when that is not known.
func (rs *roots) services(a *span.Attempt) []string {
	known := rs.serving(a)
	if known == nil {
		return nil
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if len(known.others) > maxServing {
		return nil
	}
	return append([]string{known.kind.Service}, known.others...)
}

// service names who serves such attempts; empty when nobody is known.
func (rs *roots) service(a *span.Attempt) string {
	if served := rs.server(a); served != nil {
		return served.Service
	}
	return a.Labels.Service
}

// learn remembers who serves an attempt's kind of request.
func (rs *roots) learn(a *span.Attempt, server *span.Record) {
	known := rs.serving(a)
	if known == nil {
		if rs.servedSize.Load() >= maxServed {
			return
		}
		fresh := &serving{kind: server.Descriptor}
		was, loaded := rs.served.LoadOrStore(servedKey{a.Labels.Name, a.Labels.Method}, fresh)
		if !loaded {
			rs.servedSize.Add(1)
			return
		}
		known, _ = was.(*serving)
	}
	known.add(server.Descriptor.Service)
}

// learnClaim remembers that the spans of a service carry the User-Agent.
func (rs *roots) learnClaim(r *span.Record) {
	if _, known := rs.claiming.Load(r.Descriptor.Service); !known {
		rs.claiming.Store(r.Descriptor.Service, true)
	}
}

// matchesRoute reports whether a request's name, a URL or a template of one, is
// a route's: segment by segment, where {x}, :x, * and ${x} stand for any.
func matchesRoute(name, route string) bool {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		name = "/" + path
	}
	name, _, _ = strings.Cut(name, "?")
	if !strings.HasPrefix(name, "/") || !strings.HasPrefix(route, "/") {
		return false
	}
	have, want := strings.Split(name, "/"), strings.Split(route, "/")
	if len(have) != len(want) {
		return false
	}
	for i := range have {
		if have[i] != want[i] && !isWildcard(have[i]) && !isWildcard(want[i]) {
			return false
		}
	}
	return true
}

func isWildcard(segment string) bool {
	return segment == "*" || strings.HasPrefix(segment, ":") || strings.ContainsAny(segment, "{}")
}
