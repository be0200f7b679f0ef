package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Jaeger asks the query service of Jaeger, version 1.57 or later.
type Jaeger struct {
	*query

	services services
}

// NewJaeger returns the source at a base address, usually port 16686.
func NewJaeger(cfg QueryConfig) *Jaeger { return &Jaeger{query: newQuery(cfg)} }

// rawTraces keeps Jaeger from rewriting shared span ids and from moving clocks.
// Its description of the API and its HTTP gateway differ in the name.
const rawTraces = "raw_traces=true&rawTraces=true"

// Fetch asks for one trace.
func (j *Jaeger) Fetch(
	ctx context.Context, id tracecontext.TraceID,
) ([]span.Record, Status, error) {
	body, err := j.get(ctx, "/api/v3/traces/"+id.String(), rawTraces,
		"application/json", "")
	if body, ok := errors.AsType[notFoundError](err); ok && jsonWith(body, "error") {
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
	restoreUnnamed(records)
	return records, statusOf(records), nil
}

// The names that Jaeger gives, as it stores a span, to a service without
// service.name and to one with an empty name.
const (
	jaegerMissingName = "missing-service-name"
	jaegerEmptyName   = "empty-service-name"
)

// restoreUnnamed takes Jaeger's placeholders away again.
func restoreUnnamed(records []span.Record) {
	var replaced map[*span.Descriptor]*span.Descriptor
	for i := range records {
		d := records[i].Descriptor
		if d.Service != jaegerMissingName && d.Service != jaegerEmptyName {
			continue
		}
		if replaced[d] == nil {
			if replaced == nil {
				replaced = make(map[*span.Descriptor]*span.Descriptor)
			}
			unnamed := *d
			unnamed.Service = ""
			replaced[d] = &unnamed
		}
		records[i].Descriptor = replaced[d]
	}
}

// jsonWith reports whether b is a JSON object that has the field. Jaeger marks
// its JSON as text/plain, so the content tells whether an answer is its own.
func jsonWith(b []byte, field string) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) != nil || object == nil {
		return false
	}
	_, ok := object[field]
	return ok || field == ""
}

// Check asks for the list of services, which every Jaeger has.
func (j *Jaeger) Check(ctx context.Context) error {
	body, err := j.get(ctx, "/api/v3/services", "", "application/json", "")
	if err == nil && !jsonWith(body, "") {
		err = fmt.Errorf("the answer is not Jaeger's: %s", excerpt(body))
	}
	if err != nil {
		return fmt.Errorf("asking jaeger at %s for its services: %w", j.cfg.URL.Redacted(), err)
	}
	return nil
}
