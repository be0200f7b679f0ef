package traced

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
)

// testimony is what only the load knows about its attempt, for those who judge
// it by its spans; see package clientspan.
func (x *exchange) testimony(out []attribute.KeyValue) []attribute.KeyValue {
	a := &x.attempt
	text := func(key, value string) {
		if value != "" {
			out = append(out, attribute.String(key, value))
		}
	}
	text(clientspan.Outcome, clientspan.FormatOutcome(a.Outcome))
	if a.Labels != nil {
		text(clientspan.Phase, a.Labels.Phase)
		text(clientspan.Scenario, a.Labels.Scenario)
		text(clientspan.Name, clientspan.PlainName(a.Labels.Name))
	}
	if a.Number > 1 {
		out = append(out, attribute.Int(clientspan.Number, int(a.Number)))
	}
	if a.Sends > 1 {
		out = append(out, attribute.Int(clientspan.Sends, int(a.Sends)))
	}
	if a.Marks != nil {
		marks := make([]string, len(a.Marks.List))
		for i, mark := range a.Marks.List {
			marks[i] = clientspan.FormatMark(mark)
		}
		out = append(out, attribute.StringSlice(clientspan.Toxics, marks))
	}
	return out
}
