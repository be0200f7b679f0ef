package module

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// operation waits for the first operation's span: instrument() ends one when k6 is done
// with its request.
func (v *vu) operation() (found tracetest.SpanStub) {
	v.tb.Helper()
	require.Eventually(v.tb, func() bool {
		spans := v.spans()
		i := slices.IndexFunc(spans, func(stub tracetest.SpanStub) bool {
			return stub.SpanKind.String() == "internal"
		})
		if i >= 0 {
			found = spans[i]
		}
		return i >= 0
	}, time.Minute, time.Millisecond)
	return found
}

// TestAnOperationSaysWhetherItFailed: its span has the failure of its last attempt, or
// k6's own where nothing was sent, whether k6 throws it or puts it into the response.
func TestAnOperationSaysWhetherItFailed(t *testing.T) {
	t.Parallel()
	forms := map[string]string{
		"sync":  `http.get(URL, {timeout: 20000})`,
		"async": `await http.asyncRequest('GET', URL)`,
		"batch": `http.batch([['GET', URL]])`,
		"plain": `(instrument(), plain.get(URL))`,
	}
	for _, c := range []struct {
		name, url, errorType string
		unsent               bool // k6 itself refuses it
	}{
		{name: "an answer", url: "SERVER/get"},
		{name: "a status", url: "SERVER/status/404"},
		{name: "a retried status", url: "SERVER/flaky/1/503"},
		{name: "nobody listens", url: "http://127.0.0.1:1/", errorType: "connection_refused"},
		{name: "a broken body", url: "SERVER/cut", errorType: "body_read"},
		{name: "another scheme", url: "ftp://127.0.0.1/", errorType: "protocol"},
		{name: "no URL", url: "http://[", errorType: "_OTHER", unsent: true},
	} {
		for form, call := range forms {
			if form == "plain" && c.unsent {
				continue // without a round trip, nothing of it is seen
			}
			for _, throws := range []bool{false, true} {
				name := strings.Join([]string{c.name, form, strconv.FormatBool(throws)}, ", ")
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					v := newVU(t, `http = new Client({retry: {attempts: 2, backoff: {initial: '1ms'}}})`)
					v.state.Options.Throw.Bool = throws
					_, _ = v.try(strings.ReplaceAll(call, "URL", "'"+c.url+"'"))
					operation := v.operation()
					assert.Equal(t, c.errorType, attr(operation, "error.type"))
					if c.errorType == "" {
						assert.Equal(t, codes.Unset, operation.Status.Code)
						return
					}
					assert.Equal(t, codes.Error, operation.Status.Code)
					assert.NotEmpty(t, operation.Status.Description)
				})
			}
		}
	}
}
