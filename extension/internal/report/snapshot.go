package report

import (
	"maps"
	"slices"
	"time"
)

// Report returns the report as of now. It shares nothing with the builder.
func (b *Builder) Report(end time.Time) *Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Report{
		SchemaVersion: SchemaVersion,
		Run:           b.run,
		Phases:        slices.Clone(b.phases),
		Totals:        b.totals.counts(),
		By:            make(map[string][]Row, len(b.by)),
		Series:        b.series.report(),
		Histograms: map[string]*Histogram{
			"duration_ms": b.totals.duration.Clone(), "blocked_ms": b.blocked.Clone(),
			"backoff_ms": b.backoff.Clone(), "settle_ms": b.settled.Clone(),
		},
		Faults:   slices.Clone(b.faults),
		Control:  b.control,
		Spans:    b.spans,
		Warnings: slices.Clone(b.warnings),
		Examples: b.reportExamples(),
	}
	r.Totals.HopBreaks, r.Run.End = b.absent, end
	r.Run.Labels, r.Run.Options = maps.Clone(b.run.Labels), maps.Clone(b.run.Options)
	r.Spans.FlagBreaks, r.Spans.StateBreaks = b.extra.FlagBreaks, b.extra.StateBreaks
	for dimension, t := range b.by {
		r.By[dimension] = t.report(b.order(dimension))
	}
	for _, e := range b.edges {
		r.Edges = append(r.Edges, *e)
	}
	for _, s := range b.services {
		r.Services = append(r.Services, *s)
	}
	for key, n := range b.seen {
		key.Count = n
		r.Seen = append(r.Seen, key)
	}
	r.sort()
	r.Partial = b.partial.clone()
	return r
}
