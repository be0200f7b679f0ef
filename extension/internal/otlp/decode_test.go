package otlp_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// many is more than two chunks.
const many = 20_000

func manySpans() []*trace.Span {
	spans := make([]*trace.Span, many)
	for i := range spans {
		spans[i] = &trace.Span{TraceId: traceID(uint64(i)), SpanId: spanID(uint64(i + 1))}
	}
	return spans
}

// manyJSON writes a JSON request of many spans, with something behind them.
func manyJSON(behind string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceSpans":[{"scopeSpans":[{"spans":[`)
	for i := range many {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"traceId":"%x","spanId":"%016x"}`, traceID(uint64(i)), i+1)
	}
	b.WriteString(`]}]}]}` + behind)
	return b.Bytes()
}

func TestALargeRequestComesInChunksWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	good := marshal(t, request("a", manySpans()...))
	d := otlp.NewDecoder()
	for name, c := range map[string]struct {
		body   []byte
		decode func([]byte, func([]span.Record)) (otlp.Result, error)
		ok     bool
	}{
		"protobuf":                  {good, d.Decode, true},
		"protobuf, damaged at last": {append(bytes.Clone(good), 0x0a, 0x7f), d.Decode, false},
		"JSON":                      {manyJSON(""), d.DecodeJSON, true},
		"JSON, damaged at last":     {manyJSON("]"), d.DecodeJSON, false},
	} {
		calls, next := 0, 0
		result, err := c.decode(c.body, func(batch []span.Record) {
			calls++
			for i := range batch {
				if batch[i].TraceID != [16]byte(traceID(uint64(next))) {
					t.Fatalf("%s: span %d is out of order", name, next)
				}
				next++
			}
		})
		if !c.ok {
			equal(t, true, errors.Is(err, otlp.ErrMalformed))
			equal(t, 0, next)
			continue
		}
		noError(t, err)
		equal(t, many, next)
		equal(t, many, result.Spans)
		equal(t, 3, calls)
	}
}

func TestPathsDoNotMakeDescriptorsWithoutEnd(t *testing.T) {
	t.Parallel()
	d := otlp.NewDecoder()
	seen := make(map[*span.Descriptor]bool)
	routes := 0
	for n := range 10 {
		spans := make([]*trace.Span, 1000)
		for i := range spans {
			spans[i] = serverSpan(uint64(2*i + 1))
			spans[i].Attributes = []*common.KeyValue{text("url.path", "/users/"+strconv.Itoa(1000*n+i))}
		}
		_, err := d.Decode(marshal(t, request("a", spans...)), func(batch []span.Record) {
			for i := range batch {
				seen[batch[i].Descriptor] = true
				if batch[i].Descriptor.Route != "" {
					routes++
				}
			}
		})
		noError(t, err)
	}
	equal(t, 2048, routes)
	equal(t, 2049, len(seen))
}

func TestNamesWithoutEndAreForgottenAgain(t *testing.T) {
	t.Parallel()
	a := otlp.NewDecoder()
	b := a.Sibling()
	read := func(d *otlp.Decoder, name string) (got *span.Descriptor) {
		s := serverSpan(1)
		s.Name = name
		_, err := d.Decode(marshal(t, request("a", s)), func(batch []span.Record) {
			got = batch[0].Descriptor
		})
		noError(t, err)
		return got
	}
	kept := read(a, "kept")
	equal(t, true, kept == read(b, "kept"))
	for n := range 10_000 {
		equal(t, strconv.Itoa(n), read(a, strconv.Itoa(n)).Name)
	}
	again := read(a, "kept")
	equal(t, *kept, *again)
	equal(t, true, kept != again)
}
