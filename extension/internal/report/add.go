package report

import (
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
	var sent map[sendKey]bool
	for i := range o.Results {
		r := &o.Results[i]
		var retries uint64
		key := sendKey{r.Attempt.Operation, r.Attempt.Number}
		if key.number > 1 && !sent[key] {
			if sent == nil {
				sent = make(map[sendKey]bool)
			}
			sent[key] = true
			retries = 1
		}
		b.addResult(r, retries)
		if b.wants(r.Verdict) {
			b.keep(r.Verdict, o, i)
		}
	}
	b.totals.HopBreaks += uint64(len(o.ExpectedMissing))
	if o.Trace.Waited() {
		b.hist["settle_ms"].Record(o.Trace.SettleTime)
	}
	b.extra.FlagBreaks += o.FlagBreaks
	b.extra.StateBreaks += o.StateBreaks
	b.addHops(o)
	b.addEvidence(o)
}

type sendKey struct {
	operation [8]byte
	number    uint16
}

// rowKeys are the rows that attempts with the same labels count in.
type rowKeys struct{ phase, name, scenario, service string }

// maxCachedLabels bounds the labels whose keys are remembered.
const maxCachedLabels = 4 * MaxRows

func (b *Builder) rowKeys(l *span.Labels) rowKeys {
	if k, ok := b.names[l]; ok {
		return k
	}
	k := rowKeys{
		phase: scrub(l.Phase), name: requestName(l),
		scenario: scrub(l.Scenario), service: scrub(l.Service),
	}
	if len(b.names) < maxCachedLabels {
		b.names[l] = k
	}
	return k
}

// keys are the rows that an attempt, once added, counts in, by dimension. In a
// full table that is [Other].
func (b *Builder) keys(a *span.Attempt) map[string]string {
	k := b.rowKeys(a.Labels)
	keys := map[string]string{
		"phase": k.phase, "name": k.name, "attempt": strconv.Itoa(int(a.Number)),
		"scenario": k.scenario, "service": k.service,
	}
	for dimension, key := range keys {
		keys[dimension] = b.by[dimension].row(key).Key
	}
	return keys
}

// requestName is the name tag without its query, which may hold secrets.
func requestName(l *span.Labels) string {
	name, _, hasQuery := strings.Cut(l.Name, "?")
	if hasQuery {
		name += "?…"
	}
	return scrub(name)
}

func (b *Builder) addResult(r *verdict.Result, retries uint64) {
	a := r.Attempt
	duration := time.Duration(a.Duration)
	b.totals.add(r.Verdict, retries)
	k := b.rowKeys(a.Labels)
	for _, place := range [...]struct{ dimension, key string }{
		{"phase", k.phase},
		{"name", k.name},
		{"attempt", strconv.Itoa(int(a.Number))},
		{"scenario", k.scenario},
		{"service", k.service},
	} {
		row := b.by[place.dimension].row(place.key)
		row.add(r.Verdict, retries)
		row.Duration.Record(duration)
	}
	b.series.add(r, duration)
	b.hist["duration_ms"].Record(duration)
	b.hist["blocked_ms"].Record(time.Duration(a.Blocked))
	if a.Backoff > 0 {
		b.hist["backoff_ms"].Record(time.Duration(a.Backoff))
	}
	b.addMarks(a, k.phase)
	b.control.add(r)
}

// addMarks counts what toxics said in their X-Toxic headers. Anybody can send
// such a header, so the list is bounded.
func (b *Builder) addMarks(a *span.Attempt, phase string) {
	if a.Marks == nil {
		return
	}
	for _, m := range a.Marks.List {
		phase := phase
		if m.Phase != "" {
			phase = scrub(m.Phase)
		}
		seen := Seen{Phase: phase, Toxic: scrub(m.Name), Type: scrub(m.Type), Mode: scrub(m.Mode)}
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

func (c *Counts) add(v verdict.Verdict, retries uint64) {
	c.Attempts++
	c.Verdicts[v.String()]++
	switch {
	case v.Held():
		c.Held++
	case v.Broken():
		c.Broken++
	}
	c.Retries += retries
}

// statusBad is the first status of an error.
const statusBad = 400

func failed(a *span.Attempt) bool { return a.Status == 0 || a.Status >= statusBad }

func (b *Builder) addHops(o verdict.Outcome) {
	for _, e := range o.Edges {
		edge := b.edge([2]string{scrub(e.From), scrub(e.To)})
		edge.Spans += e.Spans
		edge.Orphans += e.Orphans
	}
	for _, p := range o.Services {
		service := b.service(scrub(p.Service))
		service.Traces++
		if p.Connected {
			service.Connected++
		}
	}
}

func (b *Builder) edge(key [2]string) *Edge {
	if b.edges[key] == nil && len(b.edges) >= MaxRows {
		key = [2]string{Other, Other}
	}
	if b.edges[key] == nil {
		b.edges[key] = &Edge{From: key[0], To: key[1]}
	}
	return b.edges[key]
}

func (b *Builder) service(name string) *Service {
	if b.services[name] == nil && len(b.services) >= MaxRows {
		name = Other
	}
	if b.services[name] == nil {
		b.services[name] = &Service{Name: name}
	}
	return b.services[name]
}
