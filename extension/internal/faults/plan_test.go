package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics"
)

const plansDir = "../../../toxics/plans"

// planFiles are the plans that the repository ships.
func planFiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(plansDir, "*.json"))
	require.NoError(tb, err)
	out := make(map[string][]byte)
	for _, path := range paths {
		if name := filepath.Base(path); name != "plan.schema.json" {
			out[name], err = os.ReadFile(path)
			require.NoError(tb, err)
		}
	}
	require.Len(tb, out, 8)
	return out
}

func planSchema(tb testing.TB) *jsonschema.Schema {
	tb.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(plansDir, "plan.schema.json"))
	require.NoError(tb, err)
	return schema
}

func decodeJSON(text []byte) (any, error) {
	return jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
}

func TestShippedPlans(t *testing.T) {
	t.Parallel()
	schema := planSchema(t)
	for name, text := range planFiles(t) {
		plan, err := faults.ParsePlan(text)
		require.NoError(t, err, name)
		assert.Equal(t, strings.TrimSuffix(name, ".json"), plan.Name)
		value, err := decodeJSON(text)
		require.NoError(t, err, name)
		assert.NoError(t, schema.Validate(value), name)
		assert.Len(t, plan.Fingerprint(), 16)
	}
}

func TestPlanOfDurationsAndDefaults(t *testing.T) {
	t.Parallel()
	plan, err := faults.ParsePlan([]byte(`{"name":"p","phases":[
		{"name":"a","duration":"1m30s"},
		{"name":"b","duration":"500ms","toxics":[
			{"proxy":"shop","type":"latency","attributes":{"latency":100}},
			{"proxy":"shop","type":"http_status"}]}]}`))
	require.NoError(t, err)
	assert.Equal(t, 90*time.Second+500*time.Millisecond, plan.Duration())
	assert.Equal(t, "latency", plan.Phases[1].Toxics[0].Name)
	assert.Equal(t, "downstream", plan.Phases[1].Toxics[0].Stream)
	assert.Equal(t, "http_status", plan.Phases[1].Toxics[1].Name)
	assert.Empty(t, plan.Phases[1].Toxics[1].Stream)
}

// toxicPlan is a plan with one toxic.
func toxicPlan(toxic string) string {
	return `{"name":"p","phases":[{"name":"a","duration":"1s","toxics":[` + toxic + `]}]}`
}

// badPlans are plans with what is said about them, and whether the schema finds
// it as well: it cannot compare names or durations.
func badPlans() []struct {
	plan, want string
	schema     bool
} {
	phase := func(fields string) string { return `{"name":"p","phases":[{` + fields + `}]}` }
	return []struct {
		plan, want string
		schema     bool
	}{
		{``, "EOF", false},
		{`[]`, "must be a faults.planFile", true},
		{`{"name":"p","phases":[]}`, "phases must have at least one phase", true},
		{`{"phases":[{"name":"a","duration":"1s"}]}`, "name must not be empty", true},
		{`{"name":"p","phase":[]}`, `unknown field "phase"`, true},
		{phase(`"name":"a","duration":"1s"`) + "x", "there is text behind the plan", false},
		{phase(`"name":"a"`), `phases[0].duration must be a duration above 0 such as "10s", got ""`, true},
		{phase(`"name":"a","duration":"-1s"`), `above 0 such as "10s", got "-1s"`, true},
		{phase(`"name":"a","duration":"0s"`), `got "0s"`, false},
		{phase(`"name":"a","duration":"169h"`), `at most 168h0m0s, got "169h"`, false},
		{phase(`"name":"a","duration":"1 s"`), `got "1 s"`, true},
		{phase(`"name":"a","duration":10`), "phases.duration must be a string, got a number", true},
		{phase(`"name":"","duration":"1s"`), `phases[0].name must be new and not empty, got ""`, true},
		{
			`{"name":"p","phases":[{"name":"a","duration":"1s"},{"name":"a","duration":"1s"}]}`,
			`phases[1].name must be new and not empty, got "a"`, false,
		},
		{
			toxicPlan(`{"type":"http_status"}`),
			"phases[0].toxics[0]: proxy must name a proxy, got nothing", true,
		},
		{toxicPlan(`{"proxy":"s","type":"http_teapot"}`), "type must be one of bandwidth, http_body", true},
		{toxicPlan(`{"proxy":"s","type":"http_hub_request"}`), `got "http_hub_request"`, true},
		{
			toxicPlan(`{"proxy":"s","type":"http_status","stream":"upstream"}`),
			"stream and toxicity are for toxiproxy's own toxics", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"http_status","attributes":{"status":99}}`),
			"status must be between 200 and 599, got 99", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"http_status","attributes":{"chance":1}}`),
			"chance is not an attribute", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"http_status","attributes":{"probability":1.5}}`),
			"probability must be between 0 and 1, got 1.5", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"http_status","attributes":{"every":-1}}`),
			"every must be 0 or more, got -1", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"latency","stream":"sideways"}`),
			`stream must be upstream or downstream, got "sideways"`, true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"latency","toxicity":2}`),
			"toxicity must be between 0 and 1, got 2", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"latency","attributes":{"delay":1}}`),
			"attributes.delay is not an attribute of latency; accepted are latency, jitter", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"latency","attributes":{"latency":-1}}`),
			"attributes.latency must be a whole number, 0 or more, got -1", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"latency","attributes":{"latency":1e300}}`),
			"attributes.latency must be a whole number", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"latency","attributes":{"latency":null}}`),
			"got <nil>", true,
		},
		{
			toxicPlan(`{"proxy":"s","type":"latency"},{"proxy":"s","type":"latency"}`),
			`phases[0].toxics[1].name must be unique for its proxy and phase, got "latency"`, false,
		},
	}
}

func TestBadPlansSayWhatIsAccepted(t *testing.T) {
	t.Parallel()
	schema := planSchema(t)
	for _, bad := range badPlans() {
		plan, err := faults.ParsePlan([]byte(bad.plan))
		require.ErrorContains(t, err, bad.want, bad.plan)
		require.ErrorContains(t, err, "parsing plan: ", bad.plan)
		assert.Nil(t, plan)
		if bad.schema {
			value, err := decodeJSON([]byte(bad.plan))
			require.NoError(t, err, bad.plan)
			assert.Error(t, schema.Validate(value), bad.plan)
		}
	}
}

// TestSchemaKnowsTheAttributes compares the schema with what the toxics accept.
func TestSchemaKnowsTheAttributes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(plansDir, "plan.schema.json"))
	require.NoError(t, err)
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(text, &schema))
	types := append(toxics.Types(), "latency", "bandwidth", "slow_close", "timeout", "reset_peer",
		"slicer", "limit_data")
	accepted := regexp.MustCompile(`accepted are (.*)$`)
	for _, kind := range types {
		_, err := faults.ParsePlan([]byte(toxicPlan(fmt.Sprintf(
			`{"proxy":"s","type":%q,"attributes":{"zzz":1}}`, kind))))
		require.Error(t, err)
		if strings.Contains(err.Error(), "toxic type must be one of") {
			t.Logf("%s is not there yet", kind)
			continue
		}
		match := accepted.FindStringSubmatch(err.Error())
		require.NotNil(t, match, err.Error())
		want := strings.Split(match[1], ", ")
		got := slices.Collect(maps.Keys(schema.Defs[kind].Properties))
		if toxics.IsHTTP(kind) {
			got = slices.AppendSeq(got, maps.Keys(schema.Defs["selector"].Properties))
		}
		slices.Sort(got)
		slices.Sort(want)
		assert.Equal(t, want, got, kind)
	}
}

func TestPlanForProxiesAndServer(t *testing.T) {
	t.Parallel()
	plan, err := faults.ParsePlan([]byte(toxicPlan(`{"proxy":"shop","type":"http_status"}`)))
	require.NoError(t, err)
	ctl := newFake()
	require.NoError(t, plan.Validate([]string{"shop"}, ctl))
	require.EqualError(t, plan.Validate([]string{"cart", "store"}, ctl),
		`phases[0].toxics[0].proxy must be one of the proxies ["cart" "store"], got "shop"`)
	ctl.unsupported = "http_status"
	require.ErrorContains(t, plan.Validate([]string{"shop"}, ctl), "phases[0].toxics[0]: no http_status")
}

// FuzzParsePlan: a plan is read or refused, and one that is read has what the
// runner relies on.
func FuzzParsePlan(f *testing.F) {
	for _, text := range planFiles(f) {
		f.Add(text)
	}
	for _, bad := range badPlans() {
		f.Add([]byte(bad.plan))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := faults.ParsePlan(text)
		if err != nil {
			require.Nil(t, plan)
			return
		}
		require.NotEmpty(t, plan.Phases)
		require.NotEmpty(t, plan.Name)
		names := make(map[string]bool)
		for _, phase := range plan.Phases {
			require.Positive(t, phase.Duration)
			require.LessOrEqual(t, phase.Duration, faults.MaxPhase)
			require.False(t, names[phase.Name])
			names[phase.Name] = true
			for _, toxic := range phase.Toxics {
				require.NotEmpty(t, toxic.Proxy)
				require.NotEmpty(t, toxic.Name)
			}
		}
		require.Positive(t, plan.Duration())
	})
}
