package module

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMisspeltVariableIsWarnedOf: it would change nothing, silently.
func TestMisspeltVariableIsWarnedOf(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	r.env = func() []string {
		return []string{"HOME=/", "K6_CONTINUITY_SETLE=3s", "K6_CONTINUITY_SETTLE=3s", "K6_CONTINUITY_TENANT=a"}
	}
	r.begin()
	r.interrupt()
	require.Len(t, r.warned.all(), 1)
	assert.Regexp(t, `^K6_CONTINUITY_SETLE has no effect: known are …HTML, LABELS, .*TRACE_URL$`, r.warned.all()[0])
	require.Len(t, r.reportOf(".json").Warnings, 1)
	assert.Contains(t, r.reportOf(".json").Warnings[0], "K6_CONTINUITY_SETLE has no effect")
}

// TestVariablesAreTheOnesThatAreRead: the list of those with an effect.
func TestVariablesAreTheOnesThatAreRead(t *testing.T) {
	t.Parallel()
	read := []string{envPrefix + tenantVariable} // by the source
	s := defaultSettings()
	require.NoError(t, s.applyEnv(func(name string) (string, bool) {
		read = append(read, name)
		return "", false
	}))
	var known []string
	for _, name := range variables() {
		known = append(known, envPrefix+name)
	}
	slices.Sort(read)
	assert.Equal(t, read, known)
}
