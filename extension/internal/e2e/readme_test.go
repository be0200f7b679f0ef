package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repoRoot(t), "README.md"))
	require.NoError(t, err)
	return string(text)
}

// The scripts of the README are read by the k6 that it tells to build.
func TestEndToEndReadmeScriptsAreAccepted(t *testing.T) {
	t.Parallel()
	k6 := k6Binary(t)
	blocks := regexp.MustCompile("(?s)```js\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		path := filepath.Join(t.TempDir(), "script.js")
		require.NoError(t, os.WriteFile(path, []byte(block[1]), 0o600))
		out, err := exec.Command(k6, "inspect", path).CombinedOutput()
		assert.NoError(t, err, "%s\n%s", block[1], out)
	}
}

// The commands of the README exist with the flags that it shows.
func TestEndToEndReadmeCommandsExist(t *testing.T) {
	t.Parallel()
	k6 := k6Binary(t)
	lines := regexp.MustCompile(`(?m)^(?:\./)?k6 x continuity (\S+)(.*)$`).
		FindAllStringSubmatch(readme(t), -1)
	require.NotEmpty(t, lines)
	for _, line := range lines {
		out, err := exec.Command(k6, "x", "continuity", line[1], "--help").CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Contains(t, string(out), "k6 x continuity "+line[1])
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(line[2], -1) {
			assert.Contains(t, string(out), flag, "k6 x continuity %s", line[1])
		}
	}
}

// Links of the README lead to files, and its table names every script.
func TestReadmeNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	text, root := readme(t), repoRoot(t)
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(link[1], "://") {
			_, err := os.Stat(filepath.Join(root, link[1]))
			require.NoError(t, err)
		}
	}
	scripts, err := filepath.Glob(filepath.Join(root, "scripts", "*.js"))
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		assert.Contains(t, text, "](scripts/"+filepath.Base(script)+")")
	}
	assert.LessOrEqual(t, strings.Count(text, "\n"), 200, "lines of the README")
}
