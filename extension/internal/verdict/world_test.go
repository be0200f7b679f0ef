package verdict_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// world is a load on two services, of which the first calls the second.
type world struct {
	random  *rand.Rand
	store   *join.Store
	events  []event
	truth   map[tracecontext.SpanID]string
	stories map[tracecontext.SpanID]*[]string // of the attempt's operation
	judged  map[tracecontext.SpanID]string
	edges   map[verdict.Edge]int
	seen    map[verdict.Edge]int
	shared  map[string]*span.Descriptor
	labels  *span.Labels
	every   map[string]int64 // nanoseconds between two exports of a service
	skew    map[string]int64 // of its clock
}

type event struct {
	at int64
	do func(now time.Time)
}

const (
	settles = 12 * time.Second
	slowest = 5 * time.Second // between two exports
)

// forever is a run that nothing ends.
const forever = int64(time.Hour)

func newWorld(seed uint64, config join.Config) *world {
	config.Settle, config.Learning = settles, settles
	w := &world{
		random:  rand.New(rand.NewPCG(seed, 3)),
		store:   join.New(config),
		stories: make(map[tracecontext.SpanID]*[]string),
		truth:   make(map[tracecontext.SpanID]string), judged: make(map[tracecontext.SpanID]string),
		edges: make(map[verdict.Edge]int), seen: make(map[verdict.Edge]int),
		shared: make(map[string]*span.Descriptor), labels: attempt(1).Labels,
		every: make(map[string]int64), skew: make(map[string]int64),
	}
	for _, service := range []string{"gateway", "stock"} {
		w.every[service] = 1 + w.random.Int64N(int64(slowest))
		w.skew[service] = w.random.Int64N(int64(2*time.Hour)) - int64(time.Hour)
	}
	for range 200 {
		w.operation()
		w.flow()
	}
	return w
}

func (w *world) at(when int64, do func(time.Time)) { w.events = append(w.events, event{when, do}) }

func (w *world) spanID() (id tracecontext.SpanID) {
	for i := range id {
		id[i] = byte(1 + w.random.IntN(255))
	}
	return id
}

func (w *world) traceID() (id tracecontext.TraceID) {
	for i := range id {
		id[i] = byte(1 + w.random.IntN(255))
	}
	return id
}

// fate is what becomes of an attempt.
type fate struct {
	name    string
	verdict string
	alone   bool // who lost what could not be told beside another of the kind
	happens func(w *world, a *span.Attempt)
}

func fates() []fate {
	return []fate{
		{name: "fares well", verdict: "continued", happens: (*world).serve},
		{name: "fares well", verdict: "continued", happens: (*world).serve},
		{name: "fares well", verdict: "continued", happens: (*world).serve},
		{name: "is refused by the service", verdict: "continued", happens: func(w *world, a *span.Attempt) {
			a.Status = 503
			w.reports(w.server("gateway", a.TraceID, a.SpanID), a, verdict.Load, 0)
		}},
		{name: "loses its context", verdict: "restarted", happens: func(w *world, a *span.Attempt) {
			root := w.server("gateway", w.traceID(), tracecontext.SpanID{})
			root.Claim = tracecontext.Correlation{TraceID: a.TraceID, SpanID: a.SpanID}
			w.reports(root, a, verdict.Load, 1)
			w.calls(root, a, false)
		}},
		{name: "gets another parent", verdict: "reparented", happens: func(w *world, a *span.Attempt) {
			server := w.server("gateway", a.TraceID, a.Operation)
			server.Claim = tracecontext.Correlation{TraceID: a.TraceID, SpanID: a.SpanID}
			w.reports(server, a, verdict.Load, 1)
		}},
		{name: "loses its span", verdict: "span_lost", alone: true, happens: func(w *world, a *span.Attempt) {
			w.calls(w.server("gateway", a.TraceID, a.SpanID), a, true)
		}},
		{name: "is not seen", verdict: "missing", alone: true, happens: func(*world, *span.Attempt) {}},
		{name: "is handled twice", verdict: "duplicated", alone: true, happens: func(w *world, a *span.Attempt) {
			first := w.server("gateway", a.TraceID, a.SpanID)
			second := first
			second.SpanID = w.spanID()
			w.reports(first, a, verdict.Load, 0)
			w.reports(second, a, verdict.Load, 0)
		}},
		{name: "is sent twice", verdict: "duplicated explained", happens: func(w *world, a *span.Attempt) {
			a.Sends = 2
			w.reports(w.server("gateway", a.TraceID, a.SpanID), a, verdict.Load, 0)
			w.reports(w.server("gateway", a.TraceID, a.SpanID), a, verdict.Load, 0)
		}},
		{name: "reaches nobody", verdict: "not_delivered", happens: func(_ *world, a *span.Attempt) { notSent(a) }},
		{name: "is aborted by a toxic", verdict: "not_delivered", happens: func(_ *world, a *span.Attempt) {
			toxic("abort")(a)
		}},
		{name: "is replaced by a toxic", verdict: "continued", happens: func(w *world, a *span.Attempt) {
			toxic("replace")(a)
			w.reports(w.server("gateway", a.TraceID, a.SpanID), a, verdict.Load, 0)
		}},
		{name: "breaks off unseen", verdict: "undecided", alone: true, happens: func(_ *world, a *span.Attempt) { reset(a) }},
		{name: "breaks off", verdict: "continued", happens: func(w *world, a *span.Attempt) {
			reset(a)
			w.reports(w.server("gateway", a.TraceID, a.SpanID), a, verdict.Load, 0)
		}},
		{name: "is not sampled", verdict: "unsampled", happens: func(_ *world, a *span.Attempt) { unsampled(a) }},
	}
}

// operation is one request with a trace of its own.
func (w *world) operation() {
	w.request(w.traceID(), w.random.Int64N(int64(time.Minute)), new([]string))
}

// flow is a few requests in an application span, some of them beside each other.
func (w *world) flow() {
	trace, story := w.traceID(), new([]string)
	from := w.random.Int64N(int64(time.Minute))
	w.at(from, func(now time.Time) { w.store.Open(trace, now) })
	end := from
	for range 1 + w.random.IntN(3) {
		end = max(end, w.request(trace, from+w.random.Int64N(int64(4*time.Second)), story))
	}
	w.at(end, func(now time.Time) { w.store.Close(trace, now) })
}

// request is one request of a trace; it returns when it has ended.
func (w *world) request(trace tracecontext.TraceID, now int64, story *[]string) (end int64) {
	operation := w.spanID()
	w.at(now, func(now time.Time) { w.store.Open(trace, now) })
	attempts := 1 + w.random.IntN(3)
	for n := range attempts {
		f := fates()[w.random.IntN(len(fates()))]
		for f.alone && slices.Contains(*story, alone) {
			f = fates()[w.random.IntN(len(fates()))]
		}
		if f.alone {
			*story = append(*story, alone)
		}
		a := attempt(byte(n + 1))
		a.TraceID, a.SpanID, a.Operation, a.Start = trace, w.spanID(), operation, now
		a.Labels = w.labels
		a.Duration = w.random.Int64N(int64(100 * time.Millisecond))
		now += a.Duration
		f.happens(w, &a)
		w.truth[a.SpanID], w.stories[a.SpanID] = f.verdict, story
		*story = append(*story, f.name)
		last := n == attempts-1
		w.at(now, func(now time.Time) {
			if last {
				w.store.Finish(a, now)
			} else {
				w.store.Attempt(a, now)
			}
		})
		end = now
		now += w.random.Int64N(int64(3 * time.Second))
	}
	return end
}

// alone is said in the story of a trace that can have no other fate of that kind.
const alone = "(alone)"

func (w *world) server(service string, trace tracecontext.TraceID, parent tracecontext.SpanID) span.Record {
	return w.span(server(service, 1, none), trace, parent)
}

// span gives a span its ids, and the descriptor that all like it share.
func (w *world) span(r span.Record, trace tracecontext.TraceID, parent tracecontext.SpanID) span.Record {
	kind := r.Descriptor.Service + strconv.Itoa(int(r.Kind))
	if w.shared[kind] == nil {
		w.shared[kind] = r.Descriptor
	}
	r.TraceID, r.SpanID, r.ParentID, r.Descriptor = trace, w.spanID(), parent, w.shared[kind]
	return r
}

// reports exports a span, and counts what it is to show.
func (w *world) reports(r span.Record, a *span.Attempt, from string, orphans uint64) {
	w.exports(r, a)
	w.edges[verdict.Edge{From: from, To: r.Descriptor.Service, Spans: 1, Orphans: orphans}]++
}

// exports sends a span with the next export of its service.
func (w *world) exports(r span.Record, a *span.Attempt) {
	service := r.Descriptor.Service
	end := a.Start + a.Duration
	r.Start, r.End = a.Start+w.skew[service], end+w.skew[service]
	every := w.every[service]
	w.at((end/every+1)*every, func(now time.Time) { w.store.Spans([]span.Record{r}, now) })
}

// serve is a service that calls another.
func (w *world) serve(a *span.Attempt) {
	gateway := w.server("gateway", a.TraceID, a.SpanID)
	w.reports(gateway, a, verdict.Load, 0)
	w.calls(gateway, a, true)
}

// calls is what the gateway asks of the stock. In another trace nobody knows whose it is.
func (w *world) calls(gateway span.Record, a *span.Attempt, ours bool) { //nolint:revive // a property
	call := w.span(client("gateway", 1, none), gateway.TraceID, gateway.SpanID)
	w.exports(call, a)
	stock := w.server("stock", gateway.TraceID, call.SpanID)
	if ours {
		w.reports(stock, a, "gateway", 0)
		return
	}
	w.exports(stock, a)
}

// run lets it all happen, up to a moment.
func (w *world) run(t *testing.T, end int64) {
	t.Helper()
	slices.SortStableFunc(w.events, func(a, b event) int { return int(a.at - b.at) })
	judge := verdict.NewJudge(verdict.Options{})
	decide := func(settled []*join.Trace) {
		for _, trace := range settled {
			w.judge(t, judge.Decide(trace))
		}
	}
	next := int64(0)
	advance := func(to int64) {
		for ; next < to; next += int64(100 * time.Millisecond) {
			decide(w.store.Advance(time.Unix(0, next)))
		}
	}
	for _, e := range w.events {
		if e.at > end {
			break
		}
		advance(e.at)
		e.do(time.Unix(0, e.at))
	}
	if end == forever {
		advance(next + int64(settles+time.Second))
	}
	decide(w.store.Drain("the run has ended", time.Unix(0, next)))
}

func (w *world) judge(t *testing.T, out verdict.Outcome) {
	t.Helper()
	for _, r := range out.Results {
		id := r.Attempt.SpanID
		require.Empty(t, w.judged[id], "judged twice")
		w.judged[id] = r.Verdict.String()
		if r.Explained {
			w.judged[id] += " explained"
		}
	}
	for _, e := range out.Edges {
		for e.Spans > 0 {
			one := verdict.Edge{From: e.From, To: e.To, Spans: 1}
			if e.Orphans > 0 {
				one.Orphans = 1
				e.Orphans--
			}
			e.Spans--
			w.seen[one]++
		}
	}
}
