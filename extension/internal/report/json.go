package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// WriteJSON writes the report as indented JSON with a final newline. Its form
// is described by results/report.schema.json.
func WriteJSON(w io.Writer, r *Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// maxReport bounds what ReadJSON reads; the largest report is far below it.
const maxReport = 64 << 20

// ErrNotReport is the error of a file that is no report at all.
var ErrNotReport = errors.New("not a continuity report")

// ReadJSON reads a report of this schema version or an older one. Garbage, a
// newer version and counts that do not add up are errors.
func ReadJSON(r io.Reader) (*Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("reading report: %w", err)
	}
	if len(data) > maxReport {
		return nil, fmt.Errorf("reading report: larger than %d bytes", maxReport)
	}
	var version struct {
		SchemaVersion *int            `json:"schema_version"`
		Totals        json.RawMessage `json:"totals"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReport, err)
	}
	switch v := version.SchemaVersion; {
	case v == nil || *v < 1:
		return nil, fmt.Errorf("%w: it has no schema_version", ErrNotReport)
	case *v > SchemaVersion:
		return nil, fmt.Errorf("reading report: schema version %d is newer than %d, "+
			"the newest this version knows: update the extension", *v, SchemaVersion)
	}
	if version.Totals == nil {
		return nil, fmt.Errorf("%w: it has no totals", ErrNotReport)
	}
	var out Report
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReport, err)
	}
	return &out, out.check()
}

// check proves the identities that a report must keep.
func (r *Report) check() error {
	if err := r.Totals.check("totals"); err != nil {
		return err
	}
	for dimension, rows := range r.By {
		for i := range rows {
			if err := rows[i].check(dimension + " " + rows[i].Key); err != nil {
				return err
			}
		}
	}
	for _, quantity := range Quantities() {
		if r.Histograms[quantity] == nil {
			if r.Histograms == nil {
				r.Histograms = make(map[string]*Histogram)
			}
			r.Histograms[quantity] = NewHistogram()
		}
	}
	return nil
}

func (c *Counts) check(where string) error {
	var attempts, held, broken uint64
	for name, n := range c.Verdicts {
		v, err := verdict.Parse(name)
		if err != nil {
			return fmt.Errorf("reading report: %s: %w", where, err)
		}
		attempts += n
		switch {
		case v.Held():
			held += n
		case v.Broken():
			broken += n
		}
	}
	if attempts != c.Attempts || held != c.Held || broken != c.Broken {
		return fmt.Errorf("reading report: %s does not add up: %d attempts, %d held, %d broken, "+
			"but its verdicts are %d, %d and %d",
			where, c.Attempts, c.Held, c.Broken, attempts, held, broken)
	}
	return nil
}
