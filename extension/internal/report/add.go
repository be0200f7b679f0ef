package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// Add counts one settled trace.
func (b *Builder) Add(o verdict.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range o.Results {
		r := &o.Results[i]
		b.addResult(r)
		if b.wants(r.Verdict) {
			b.keep(r.Verdict, o, i)
		}
	}
	b.absent += uint64(len(o.ExpectedMissing))
	if o.Waited() {
		b.settled.Record(o.Trace.SettleTime)
	}
	b.extra.FlagBreaks += o.FlagBreaks
	b.extra.StateBreaks += o.StateBreaks
	b.addHops(o)
	b.addEvidence(o)
}

// places are the rows that attempts with the same labels count in.
type places struct{ phase, name, scenario, service *tallied }

// maxCachedLabels bounds the labels whose places are remembered.
const maxCachedLabels = 4 * MaxRows

func (b *Builder) placesOf(l *span.Labels) *places {
	if p, ok := b.places[l]; ok {
		return p
	}
	p := &places{
		phase:    b.by["phase"].row(scrub(l.Phase)),
		name:     b.by["name"].row(requestName(l)),
		scenario: b.by["scenario"].row(scrub(l.Scenario)),
		service:  b.by["service"].row(scrub(l.Service)),
	}
	if len(b.places) < maxCachedLabels {
		b.places[l] = p
	}
	return p
}

// numbered is the row of the attempts of a number.
func (b *Builder) numbered(number uint16) *tallied {
	return b.by["attempt"].row(strconv.Itoa(int(number)))
}

// keys are the rows that an attempt, once added, counts in, by dimension. In a
// full table that is [Other].
func (b *Builder) keys(a *span.Attempt) map[string]string {
	p := b.placesOf(a.Labels)
	return map[string]string{
		"phase": p.phase.key, "name": p.name.key, "attempt": b.numbered(a.Number).key,
		"scenario": p.scenario.key, "service": p.service.key,
	}
}

// requestName is the name tag without its query, which may hold secrets.
func requestName(l *span.Labels) string {
	name, _, hasQuery := strings.Cut(l.Name, "?")
	if hasQuery {
		name += "?…"
	}
	return scrub(name)
}

func (b *Builder) addResult(r *verdict.Result) {
	a := r.Attempt
	duration := time.Duration(a.Duration)
	p := b.placesOf(a.Labels)
	for _, row := range [...]*tallied{
		b.totals, p.phase, p.name, b.numbered(a.Number), p.scenario, p.service,
	} {
		row.add(r, duration)
	}
	b.series.add(r, duration)
	b.blocked.Record(time.Duration(a.Blocked))
	if a.Backoff > 0 {
		b.backoff.Record(time.Duration(a.Backoff))
	}
	b.addMarks(a)
	b.control.add(r)
}

// addMarks counts what toxics said in their X-Toxic headers. Anybody can send
// such a header, so the list is bounded.
func (b *Builder) addMarks(a *span.Attempt) {
	if a.Marks == nil {
		return
	}
	for _, m := range a.Marks.List {
		phase := scrub(cmp.Or(m.Phase, a.Labels.Phase))
		seen := Seen{
			Phase: phase, Proxy: scrub(m.Proxy),
			Toxic: scrub(m.Name), Type: scrub(m.Type), Mode: scrub(m.Mode),
		}
		if _, known := b.seen[seen]; !known && len(b.seen) >= MaxRows {
			seen = Seen{Phase: Other, Toxic: Other, Type: Other}
		}
		b.seen[seen]++
	}
}

func (c *Control) add(r *verdict.Result) {
	if !r.Verdict.Expected() {
		return
	}
	switch {
	case r.Unsure():
		c.Unsure++
	case r.Injected && r.Verdict.Broken():
		c.Injected++
		c.Detected++
	case r.Injected:
		c.Injected++
	case r.Verdict.Broken():
		c.FalseBreak++
	}
}

// unsure is the end of a sentence on context breaks; empty when all are certain.
func (c *Control) unsure() string {
	if c.Unsure == 0 {
		return ""
	}
	return fmt.Sprintf(", %d cannot be told", c.Unsure)
}

// statusBad is the first status of an error.
const statusBad = 400

func failed(a *span.Attempt) bool { return a.Status == 0 || a.Status >= statusBad }

func (b *Builder) addHops(o verdict.Outcome) {
	for _, e := range o.Edges {
		edge := b.edge([2]string{e.From, e.To})
		edge.Spans += e.Spans
		edge.Orphans += e.Orphans
	}
	for _, p := range o.Services {
		service := b.service(p.Service)
		service.Traces++
		if p.Connected {
			service.Connected++
		}
	}
}

// edge is the edge between two services as they name themselves.
func (b *Builder) edge(names [2]string) *Edge {
	if e := b.edgesNamed[names]; e != nil {
		return e
	}
	key := [2]string{scrub(names[0]), scrub(names[1])}
	clean := key == names
	if b.edges[key] == nil && len(b.edges) >= MaxRows {
		key = [2]string{Other, Other}
	}
	if b.edges[key] == nil {
		b.edges[key] = &Edge{From: key[0], To: key[1]}
	}
	if clean && len(b.edgesNamed) < maxCachedLabels {
		b.edgesNamed[names] = b.edges[key]
	}
	return b.edges[key]
}

// service is the service of a name as it gives it itself.
func (b *Builder) service(name string) *Service {
	if s := b.servicesNamed[name]; s != nil {
		return s
	}
	key := scrub(name)
	clean := key == name
	if b.services[key] == nil && len(b.services) >= MaxRows {
		key = Other
	}
	if b.services[key] == nil {
		b.services[key] = &Service{Name: key}
	}
	if clean && len(b.servicesNamed) < maxCachedLabels {
		b.servicesNamed[name] = b.services[key]
	}
	return b.services[key]
}
