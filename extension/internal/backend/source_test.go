package backend_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSourcesAreParsed(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{
		"":                                  "otlp",
		"none":                              "none",
		"jaeger=http://localhost:16686/":    "jaeger=http://localhost:16686",
		"tempo=https://u:secret@h/tempo":    "tempo=https://u:xxxxx@h/tempo",
		"file=spans-*.json":                 "file=spans-*.json",
		"file=a=b.json":                     "file=a=b.json",
		"jaeger=http://[::1]:16686/jaeger/": "jaeger=http://[::1]:16686/jaeger",
	} {
		spec, err := backend.ParseSource(option)
		noError(t, err)
		equal(t, want, spec.String())
	}
}

func TestBadSourcesSayWhatIsAccepted(t *testing.T) {
	t.Parallel()
	for option, word := range map[string]string{
		"zipkin=http://x":        `"zipkin" is unknown: accepted are`,
		"=x":                     "has no kind",
		"jaeger":                 "a URL is required, for example 'jaeger=http://127.0.0.1:16686'",
		"tempo=":                 "for example 'tempo=http://127.0.0.1:3200'",
		"tempo=localhost:3200":   "must start with http:// or https://",
		"jaeger=http://":         "must name a host",
		"jaeger=http://h?x=1":    "neither query nor fragment",
		"jaeger=http://u:p@h:%x": "the URL is malformed",
		"otlp=x":                 "takes no value",
		"file=":                  "needs a file name",
		"file=[":                 "malformed",
	} {
		_, err := backend.ParseSource(option)
		errorWith(t, err, "source", word)
	}
}
