package module

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestASampleSaysWhatItProvesOfAll(t *testing.T) {
	t.Parallel()
	const text = "the source was asked for a sample of 1000 of 9000 traces: " +
		"with 95 % confidence the continuity of all is between "
	for name, c := range map[string]struct {
		held, broken uint64
		want         string
	}{
		"none broke":        {1000, 0, "99.6318% and 100%"},
		"one of a thousand": {999, 1, "99.4441% and 99.9975%"},
		"one of a million":  {999_999, 1, "99.9994% and <100%"},
		"none was due":      {0, 0, "0% and 100%"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, text+c.want+", if attempts break independently",
				sampled(1000, 8000, c.held, c.broken))
		})
	}
}
