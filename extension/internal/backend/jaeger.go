package backend

import (
	"context"
	"errors"
	"fmt"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Jaeger asks the query service of Jaeger, version 1.57 or later.
type Jaeger struct{ *query }

// NewJaeger returns the source at a base address, usually port 16686.
func NewJaeger(cfg QueryConfig) *Jaeger { return &Jaeger{newQuery(cfg)} }

// Fetch asks for one trace. The parameter rawTraces keeps Jaeger from
// rewriting shared span ids and from moving clocks.
func (j *Jaeger) Fetch(
	ctx context.Context, id tracecontext.TraceID,
) ([]span.Record, Status, error) {
	body, err := j.get(ctx, "/api/v3/traces/"+id.String(), "rawTraces=true",
		"application/json", "json")
	if errors.Is(err, errNotFound) {
		return nil, Absent, nil
	}
	if err != nil {
		return nil, Absent, fmt.Errorf("jaeger: %w", err)
	}
	records, err := j.decode(id, func(
		d *otlp.Decoder, sink func([]span.Record),
	) (otlp.Result, error) {
		return d.DecodeResultJSON(body, sink)
	})
	if err != nil {
		return nil, Absent, fmt.Errorf("jaeger: %w", err)
	}
	return records, statusOf(records), nil
}

// Check asks for the list of services, which every Jaeger has.
func (j *Jaeger) Check(ctx context.Context) error {
	_, err := j.get(ctx, "/api/v3/services", "", "application/json", "json")
	if err != nil {
		return fmt.Errorf("asking jaeger at %s for its services: %w", j.cfg.URL.Redacted(), err)
	}
	return nil
}
