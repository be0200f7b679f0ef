package module

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIdentityIsWhatTheOperatorPasses(t *testing.T) {
	t.Parallel()
	args := []string{
		"k6", "run", "--quiet", "/test/checkout.js", "--paused", "--tag", "instance_id=2",
		"--tag", "testrun_name=night, 50% load", "--tag=testid=a=b", "--tag", "team=shop", "--tag",
	}
	got := identity(args)
	assert.Equal(t, map[string]string{
		"instance_id": "2", "testrun_name": "night, 50% load", "testid": "a=b",
	}, got)
	assert.Empty(t, identity([]string{"k6", "run", "script.js"}))

	labels := identified(got, map[string]string{"testid": "mine", "team": "x"})
	assert.Equal(t, map[string]string{
		"instance_id": "2", "testrun_name": "night, 50% load", "testid": "mine", "team": "x",
	}, labels)

	env := map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "pod=1", "OTHER": "o"}
	lookup := withIdentity(got, func(name string) string { return env[name] })
	assert.Equal(t, "o", lookup("OTHER"))
	assert.Equal(t, "instance_id=2,testid=a=b,testrun_name=night%2C%2050%25%20load,pod=1",
		lookup("OTEL_RESOURCE_ATTRIBUTES"))
}
