package module

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// declarationExamples are the examples of index.d.ts, as scripts.
func declarationExamples(t *testing.T) []string {
	t.Helper()
	declarations, err := os.ReadFile("../../../index.d.ts")
	require.NoError(t, err)
	var examples []string
	star := regexp.MustCompile(`(?m)^\s*\* ?`)
	for _, comment := range regexp.MustCompile(`(?s)/\*\*.*?\*/`).FindAllString(string(declarations), -1) {
		_, example, found := strings.Cut(strings.TrimSuffix(comment, "*/"), "@example\n")
		if found {
			examples = append(examples, star.ReplaceAllString(example, ""))
		}
	}
	return examples
}

// TestExamplesOfTheDeclarationsRun runs each one in a k6 of its own.
func TestExamplesOfTheDeclarationsRun(t *testing.T) {
	t.Parallel()
	examples := declarationExamples(t)
	require.GreaterOrEqual(t, len(examples), 10)
	for i, example := range examples {
		t.Run(strconv.Itoa(i+1), func(t *testing.T) {
			t.Parallel()
			var traced atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Traceparent") != "" {
					traced.Add(1)
				}
			}))
			t.Cleanup(server.Close)
			dir := t.TempDir()
			example = strings.ReplaceAll(example, "127.0.0.1:8080",
				strings.TrimPrefix(server.URL, "http://"))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "example.js"), []byte(example), 0o600))
			result := runK6(t, dir, nil, "run", "--quiet", "--iterations", "1",
				"--summary-mode", "disabled", "--log-format", "raw", "example.js")
			assert.Zero(t, result.code, result.stderr)
			assert.NotContains(t, result.stderr, "Error", example)
			assert.NotContains(t, result.stderr, "failed", example)
			assert.NotZero(t, traced.Load(), "requests with traceparent:\n%s", example)
		})
	}
}
