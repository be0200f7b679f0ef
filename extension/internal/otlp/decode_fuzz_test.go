package otlp_test

import (
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// FuzzDecode compares the field scan with the protobuf library: what the
// library accepts must be accepted and mean the same. The scan may accept
// more, since it does not look into what it does not need.
func FuzzDecode(f *testing.F) {
	for _, b := range protobufSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []span.Record
		result, err := otlp.NewDecoder().Decode(b, func(batch []span.Record) {
			got = append(got, batch...)
		})
		var req collector.ExportTraceServiceRequest
		if proto.Unmarshal(b, &req) != nil {
			if err != nil {
				equal(t, 0, len(got))
			}
			return
		}
		noError(t, err)
		want, rejected := oracle(&req)
		equal(t, "", differ(want, got))
		equal(t, rejected, result.Rejected)
		equal(t, len(want), result.Spans)
	})
}

// FuzzClaim holds the decoder's own search for a correlation token and the
// one that defines it together.
func FuzzClaim(f *testing.F) {
	const token = "continuity/0102030405060708090a0b0c0d0e0f10-0102030405060708"
	for _, s := range []string{
		"", "k6 " + token, token + " " + token[:40], "continuity/" + token, token + "0",
		"continuity/00000000000000000000000000000000-0102030405060708 " + token[:59],
		strings.ToUpper(token), "continuity/0102030405060708090A0B0C0D0E0F10-0102030405060708",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, agent []byte) {
		want, _ := tracecontext.FindCorrelation(agent)
		equal(t, want, otlp.FindClaim(agent))
	})
}
