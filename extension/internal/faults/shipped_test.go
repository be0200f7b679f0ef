package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// TestShippedPlansTakeTheirTime runs every plan of the repository by the clock of
// the test: each toxic comes in when its phase begins, and goes when it ends.
func TestShippedPlansTakeTheirTime(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"brownout", "flaky-first-attempts", "slow-upstream", "resets", "blackout", "context-loss",
	} {
		require.Contains(t, planFiles(t), name+".json", "named by the documentation")
	}
	for name, text := range planFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, err := faults.ParsePlan(text)
			require.NoError(t, err)
			var want, names []string
			at := time.Duration(0)
			for _, phase := range plan.Phases {
				names = append(names, phase.Name)
				for _, toxic := range phase.Toxics {
					want = append(want, fmt.Sprintf("%s add %s", at, toxic.Name))
				}
				at += phase.Duration
				for _, toxic := range phase.Toxics {
					want = append(want, fmt.Sprintf("%s remove %s", at, toxic.Name))
				}
			}
			synctest.Test(t, func(t *testing.T) {
				run := newRun(t, string(text))
				require.NoError(t, run.Start(context.Background()))
				wait(plan.Duration() + time.Second)
				require.NoError(t, run.Stop(context.Background()))
				assert.Equal(t, want, run.ctl.told())
				var got []string
				for _, phase := range run.Phases() {
					got = append(got, phase.Name)
				}
				assert.Equal(t, names, got)
			})
		})
	}
}

// TestShippedPlansHit puts the toxics of every phase of every plan into a real
// toxiproxy, with requests until each HTTP toxic has done what it is for.
func TestShippedPlansHit(t *testing.T) {
	t.Parallel()
	for name, text := range planFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, err := faults.ParsePlan(text)
			require.NoError(t, err)
			upstream, ctl, c := newService(t), newEmbedded(t, nil), client(t)
			shop := addProxy(t, ctl, faults.ProxyConfig{Name: "shop", Upstream: upstream.address()})
			require.NoError(t, plan.Validate([]string{"shop"}, ctl))
			for i := range plan.Phases {
				hitPhase(t, ctl, c, shop, &plan.Phases[i])
			}
		})
	}
}

func hitPhase(t *testing.T, ctl faults.Controller, c *http.Client, shop string, phase *faults.PlanPhase) {
	t.Helper()
	due := make(map[string]bool)
	for _, toxic := range phase.Toxics {
		require.NoError(t, ctl.AddToxic(t.Context(), toxic))
		if toxics.IsHTTP(toxic.Type) {
			due[toxic.Name] = true
		}
	}
	for round := range 10 {
		requestMany(t, c, shop, phase.Name, round)
		counters, err := ctl.Counters(t.Context())
		require.NoError(t, err)
		for _, counter := range counters {
			if counter.Injected > 0 {
				delete(due, counter.Name)
			}
		}
		if len(due) == 0 {
			break
		}
	}
	assert.Empty(t, due, "toxics of phase %q that hit nothing", phase.Name)
	for _, toxic := range phase.Toxics {
		require.NoError(t, ctl.RemoveToxic(t.Context(), "shop", toxic.Name))
	}
}

// requestMany sends requests with traces of their own at once. Some fail, as they
// are meant to.
func requestMany(t *testing.T, c *http.Client, shop, phase string, round int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
				fmt.Sprintf("%s/%s/%d/long-enough-to-cut", shop, phase, i), nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Traceparent", fmt.Sprintf("00-%016x%016x-%016x-01", round+1, i+1, 1))
			response, err := c.Do(request)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		})
	}
	all.Wait()
}

// values are what an attribute of any name may be given in the comparison. What
// JSON Schema cannot say is not among them: header names and globs that are
// malformed, numbers in strings (the run takes them for the command line's sake),
// and attributes that exclude each other.
func values() map[string][]any {
	headers := []any{map[string]any{"X-A": "b"}, map[string]any{"X-A": 1}, map[string]any{}, "X-A", nil}
	names := []any{[]any{"traceparent"}, []any{}, []any{1}, []any{""}, "traceparent"}
	numbers := []any{0, 1, -1, 3, 1.5, 200, 199, 599, 600, 600_000, 600_001, 10_000, 10_001, "x", true, []any{}}
	return map[string][]any{
		"status": numbers, "latency": numbers, "jitter": numbers, "bytes": numbers, "every": numbers,
		"first": numbers, "limit": numbers, "seed": numbers, "timeout": numbers, "delay": numbers,
		"rate": numbers, "average_size": numbers, "size_variation": numbers,
		"probability": {0, 1, 0.5, 1.01, -0.01, "x", []any{}}, "shape": {1.1, 1, 3, 0.5, "x"},
		"mode":         {"abort", "replace", "truncate", "corrupt", "eat", []any{}},
		"on":           {"request", "response", "both", []any{}},
		"when":         {"before", "after", "body", "never"},
		"distribution": {"uniform", "normal", "pareto", "gauss"},
		"mangle_as":    {"ids", "parent", "flags", "invalid", "all"},
		"match": {
			map[string]any{"method": "GET", "path": "/a*", "header": map[string]any{"A": "b"}},
			map[string]any{"paths": "/"},
			map[string]any{"path": 1},
			"x",
		},
		"body": {"x", "", []any{}}, "retry_after": {"1", []any{}}, "phase": {"p", []any{}},
		"headers": headers, "set": headers, "remove": names, "mangle": names,
		"script":  {"function onRequest() {}", "", []any{}},
		"unknown": {1},
	}
}

// TestSchemaAndValidationAgree draws toxics with any attributes: the schema, by
// which editors and pipelines check plans, accepts what the run accepts.
func TestSchemaAndValidationAgree(t *testing.T) {
	t.Parallel()
	schema := planSchema(t)
	pool := values()
	kinds := append(toxics.Types(), "latency", "bandwidth", "slow_close", "timeout", "reset_peer",
		"slicer", "limit_data", "http_teapot")
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		toxic := map[string]any{"proxy": "s", "type": rapid.SampledFrom(kinds).Draw(rt, "type")}
		attributes := make(map[string]any)
		for range rapid.IntRange(0, 3).Draw(rt, "attributes") {
			name := rapid.SampledFrom(slices.Sorted(maps.Keys(pool))).Draw(rt, "name")
			attributes[name] = rapid.SampledFrom(pool[name]).Draw(rt, "value")
		}
		if rapid.Bool().Draw(rt, "with attributes") {
			toxic["attributes"] = attributes
		}
		if stream := rapid.SampledFrom([]string{"", "upstream", "sideways"}).Draw(rt, "stream"); stream != "" {
			toxic["stream"] = stream
		}
		text, err := json.Marshal(toxic)
		require.NoError(rt, err)
		value, err := decodeJSON([]byte(toxicPlan(string(text))))
		require.NoError(rt, err)
		_, parsed := faults.ParsePlan([]byte(toxicPlan(string(text))))
		found := schema.Validate(value)
		if parsed == nil {
			accepted++
		}
		require.Equal(rt, parsed == nil, found == nil, "%s: the run says %v, the schema says %v",
			text, parsed, found)
	})
	require.NotZero(t, accepted)
}
