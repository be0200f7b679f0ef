// Package report holds the report of a run: its model with a schema version,
// the builder that adds settled traces to it, and its writers (JSON, text,
// HTML). A report holds counts and mergeable histograms, never bare
// percentiles, so that reports of parts of a run add up exactly.
//
// A report is of bounded size however long the run: tables have at most
// [MaxRows] rows and an (other) row for the rest, the series gets coarser as
// it gets longer, and examples are a seeded sample. What is left out is counted.
//
// Strings that come from services are hostile. They are cut to a bounded
// length here and escaped by each writer; names of requests lose their query,
// which may hold secrets.
package report
