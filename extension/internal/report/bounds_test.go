package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// TestHopsAreBoundedScrubbedAndWhole adds the hops of more services than a report
// lists, and of one whose name holds a password, several times over: nothing is
// lost, and each counts in its row every time.
func TestHopsAreBoundedScrubbedAndWhole(t *testing.T) {
	t.Parallel()
	const services, rounds = 5 * maxCachedLabels, 3
	b := NewBuilder(Run{Start: start()}, BuilderOptions{})
	hop := func(name string) {
		o := operation{verdicts: []verdict.Verdict{verdict.Continued}}.outcome(plainNames())
		o.Edges = []verdict.Edge{{From: verdict.Load, To: name, Spans: 2, Orphans: 1}}
		o.Services = []verdict.Presence{{Service: name, Connected: true}}
		b.Add(o)
	}
	for range rounds {
		hop("http://user:password@host")
		for i := range services {
			hop(fmt.Sprint("service ", i))
		}
	}
	r := b.Report(start())
	assert.Len(t, r.Edges, MaxRows+1)
	assert.Len(t, r.Services, MaxRows+1)
	var spans, orphans, traces, connected uint64
	for _, e := range r.Edges {
		spans, orphans = spans+e.Spans, orphans+e.Orphans
	}
	for _, s := range r.Services {
		traces, connected = traces+s.Traces, connected+s.Connected
	}
	const all = rounds * (services + 1)
	assert.Equal(t, [4]uint64{2 * all, all, all, all}, [4]uint64{spans, orphans, traces, connected})
	assert.Contains(t, r.Services, Service{
		Name: "http://REDACTED@host", Traces: rounds, Connected: rounds,
	})
	assert.Contains(t, r.Edges, Edge{
		From: verdict.Load, To: "http://REDACTED@host", Spans: 2 * rounds, Orphans: rounds,
	})
}

// TestMarksFoundAreThoseOfTheToxic: toxics of one name are told apart by their proxies, and
// names are found as they were kept.
func TestMarksFoundAreThoseOfTheToxic(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", maxText)
	b := NewBuilder(Run{Start: start()}, BuilderOptions{})
	for i, mark := range []span.Mark{
		{Proxy: "a", Name: "status"},
		{Proxy: "b", Name: "status"},
		{Proxy: "b", Name: "status"},
		{Name: "old"},
		{Proxy: "a", Name: long},
	} {
		mark.Type = "http_status"
		o := operation{n: i, verdicts: []verdict.Verdict{verdict.Continued}}.outcome(plainNames())
		o.Results[0].Attempt.Labels = &span.Labels{Phase: "one"}
		o.Results[0].Attempt.Marks = &span.Marks{List: []span.Mark{mark}}
		b.Add(o)
	}
	r := b.Report(start())
	found := func(proxy, toxic string) uint64 {
		return r.seenOf(Fault{Phase: "one", Proxy: proxy, Toxic: toxic, Type: "http_status"})
	}
	assert.Equal(t, []uint64{1, 2, 1, 1, 0}, []uint64{
		found("a", "status"), found("b", "status"), found("a", "old"), found("a", long),
		found("c", "status"),
	})
}
