package toxics

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMangle(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, c := range []struct{ name, as, value, want string }{
		{"ids by default", "", parent, "00-0ba8762127de54ee9559fc322d90421d-c8be7c8271304442-01"},
		{"ids", "ids", parent, "00-0ba8762127de54ee9559fc322d90421d-c8be7c8271304442-01"},
		{"the parent alone", "parent", parent, "00-0af7651916cd43dd8448eb211c80319c-c8be7c8271304442-01"},
		{"sampled becomes unsampled", "flags", parent, parent[:54] + "0"},
		{"unsampled becomes sampled", "flags", parent[:53] + "00", parent[:53] + "01"},
		{"other flags stay", "flags", parent[:53] + "0b", parent[:53] + "0a"},
		{"malformed", "invalid", parent, "00-xaf7651916cd43dd8448eb211c80319c-x7ad6b7169203331-01"},
		{"short for a parent", "parent", "00-12-34-01", "00-12-34-01"},
		{"short for flags", "flags", "00-12-34-01", "00-12-34-01"},
		{"b3 keeps its sampled state", "ids", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", "0ba8762127de54ee9559fc322d90421d-c8be7c8271304442-1"},
		{"X-Ray keeps its words", "ids", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "Root=1-5759e988-ce973f4af2cf57b115383814;Parent=64116d4a53de9be9;Sampled=1"},
		{"upper case", "ids", "0AF7651916CD43DD-F", "0BA8762127DE54EE-F"},
		{"a value without an id", "ids", "x-9f-02", "x-1a-03"},
		{"a value without an id, malformed", "invalid", "x-9f-02", "x-xx-xx"},
		{"nothing to change", "ids", "00-zz", "00-zz"},
		{"other letters", "ids", "é1", "é2"},
		{"nothing", "ids", "", ""},
	} {
		assert.Equal(t, c.want, mangle(c.value, c.as), c.name)
	}
}

// TestMangledContextsStayValid: whatever the ids, they stay well-formed and
// above zero, and become others; version and flags stay.
func TestMangledContextsStayValid(t *testing.T) {
	t.Parallel()
	valid := regexp.MustCompile("^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")
	rapid.Check(t, func(rt *rapid.T) {
		trace := rapid.StringMatching("[0-9a-f]{31}[1-9a-f]").Draw(rt, "trace id")
		parent := rapid.StringMatching("[1-9a-f][0-9a-f]{15}").Draw(rt, "parent id")
		flags := rapid.SampledFrom([]string{"00", "01"}).Draw(rt, "flags")
		got := mangle(fmt.Sprintf("00-%s-%s-%s", trace, parent, flags), "ids")
		require.Regexp(rt, valid, got)
		require.NotEqual(rt, trace, got[3:35])
		require.NotEqual(rt, parent, got[36:52])
		require.NotRegexp(rt, "^0+$", got[3:35])
		require.NotRegexp(rt, "^0+$", got[36:52])
		require.Equal(rt, flags, got[53:])
	})
}
