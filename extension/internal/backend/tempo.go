package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// The field numbers of tempopb.TraceByIDResponse, and its status PARTIAL.
const (
	tempoTrace   protowire.Number = 1
	tempoStatus  protowire.Number = 3
	tempoMessage protowire.Number = 4
	tempoPartial                  = 1
)

// Tempo asks the query frontend of Grafana Tempo, version 2.6 or later.
type Tempo struct{ *query }

// NewTempo returns the source at a base address, usually port 3200.
func NewTempo(cfg QueryConfig) *Tempo { return &Tempo{newQuery(cfg)} }

// Fetch asks for one trace, in protobuf: Tempo's JSON is not OTLP's.
func (t *Tempo) Fetch(
	ctx context.Context, id tracecontext.TraceID,
) ([]span.Record, Status, error) {
	body, err := t.get(ctx, "/api/v2/traces/"+id.String(), "",
		"application/protobuf", "protobuf")
	if _, ok := errors.AsType[notFoundError](err); ok {
		return nil, Absent, nil
	}
	if err != nil {
		return nil, Absent, fmt.Errorf("tempo: %w", err)
	}
	answer, err := parseTempo(body)
	if err != nil {
		return nil, Absent, fmt.Errorf("tempo: reading answer: %w", err)
	}
	records, err := t.decode(id, func(
		d *otlp.Decoder, sink func([]span.Record),
	) (otlp.Result, error) {
		return d.DecodeTracesData(answer.trace, sink)
	})
	if err != nil {
		return nil, Absent, fmt.Errorf("tempo: %w", err)
	}
	if answer.partial {
		return records, Partial, fmt.Errorf("tempo: partial trace: %s", excerpt(answer.message))
	}
	return records, statusOf(records), nil
}

// Check asks for the frontend's echo, which is answered without a tenant.
func (t *Tempo) Check(ctx context.Context) error {
	body, err := t.get(ctx, "/api/echo", "", "*/*", "")
	if err == nil && string(bytes.TrimSpace(body)) != "echo" {
		err = fmt.Errorf("there is no echo: %s", excerpt(body))
	}
	if err != nil {
		return fmt.Errorf("asking tempo at %s for an echo: %w", t.cfg.URL.Redacted(), err)
	}
	return nil
}

// tempoAnswer is a TraceByIDResponse with the trace not yet decoded.
type tempoAnswer struct {
	trace   []byte
	message []byte
	partial bool
}

func parseTempo(b []byte) (tempoAnswer, error) {
	var a tempoAnswer
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return a, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return a, protowire.ParseError(size)
		}
		content := b[n : n+size]
		b = b[n+size:]
		switch {
		case num == tempoTrace && typ == protowire.BytesType:
			v, _ := protowire.ConsumeBytes(content)
			a.trace = append(a.trace, v...) // pieces of a message are merged by joining them
		case num == tempoMessage && typ == protowire.BytesType:
			a.message, _ = protowire.ConsumeBytes(content)
		case num == tempoStatus && typ == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(content)
			a.partial = v == tempoPartial
		}
	}
	return a, nil
}
