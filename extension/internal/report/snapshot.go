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
		Totals:        b.totals.clone(),
		By:            make(map[string][]Row, len(b.by)),
		Series:        b.series.report(),
		Histograms:    make(map[string]*Histogram, len(b.hist)),
		Faults:        slices.Clone(b.faults),
		Control:       b.control,
		Spans:         b.spans,
		Warnings:      slices.Clone(b.warnings),
		Examples:      b.reportExamples(),
	}
	r.Run.End = end
	r.Run.Labels, r.Run.Options = maps.Clone(b.run.Labels), maps.Clone(b.run.Options)
	r.Spans.FlagBreaks, r.Spans.StateBreaks = b.extra.FlagBreaks, b.extra.StateBreaks
	for dimension, t := range b.by {
		r.By[dimension] = t.report(b.order(dimension))
	}
	for name, h := range b.hist {
		r.Histograms[name] = h.Clone()
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
