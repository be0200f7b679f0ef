package otlp_test

import (
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
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
