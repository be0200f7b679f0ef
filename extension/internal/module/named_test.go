package module

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFunctionsHaveNamedExportsAsThoseOfK6(t *testing.T) {
	t.Parallel()
	v := newVU(t, `const { get, expectedStatuses } = continuity;`)
	assert.Empty(t, v.run(`return Object.getOwnPropertyNames(plain)
			.filter((name) => continuity[name] !== http[name]).join()`))
	assert.Equal(t, true, v.run(`return get('SERVER/get').trace.attempts === 1`))
	assert.Equal(t, true, v.run(`return expectedStatuses(200) instanceof Object`))
	assert.Len(t, v.clientSpans(), 1)
}
