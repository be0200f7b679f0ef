package toxics

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// picking is a selector from its JSON.
func picking(tb testing.TB, attributes string) *picker {
	tb.Helper()
	var s Selector
	require.NoError(tb, json.Unmarshal([]byte(attributes), &s))
	require.NoError(tb, s.validate())
	return newPicker(s, "name")
}

// asking is the head of a request; headers are lines.
func asking(tb testing.TB, method, target string, headers ...string) *httpstream.Head {
	tb.Helper()
	raw := strings.Join(append([]string{method + " " + target + " HTTP/1.1"}, headers...), "\r\n") +
		"\r\n"
	part, _ := httpstream.NewRequestParser().Next([]byte(raw + "\r\n"))
	require.Equal(tb, httpstream.KindHead, part.Kind)
	return part.Head
}

// chosen sends requests over some connections at once, in an order of their own,
// and returns the choices by request.
func chosen(tb testing.TB, p *picker, heads []*httpstream.Head, connections int) map[string][]uint64 {
	tb.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	out := make(map[string][]uint64)
	for c := range connections {
		all.Go(func() {
			for i := c; i < len(heads); i += connections {
				if key, hit := p.pick(heads[i]); hit {
					mu.Lock()
					target := heads[i].Target()
					out[target] = append(out[target], key)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	for _, keys := range out {
		slices.Sort(keys)
	}
	return out
}

// TestSameSeedSameChoice takes requests of which many are the same, in several
// orders and over 1 to 64 connections.
func TestSameSeedSameChoice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		attributes := fmt.Sprintf(`{"probability":0.3,"seed":%d}`, seed)
		var heads []*httpstream.Head
		for i := range 300 {
			heads = append(heads, asking(t, "GET", fmt.Sprintf("/%d", i%37)))
		}
		want := chosen(t, picking(t, attributes), heads, 1)
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(heads), func(i, j int) { heads[i], heads[j] = heads[j], heads[i] })
		connections := rapid.IntRange(2, 64).Draw(rt, "connections")
		require.Equal(t, want, chosen(t, picking(t, attributes), heads, connections))
		other := fmt.Sprintf(`{"probability":0.3,"seed":%d}`, seed+1)
		require.NotEqual(t, want, chosen(t, picking(t, other), heads, connections))
	})
}

// TestProbabilityIsTheShare allows four standard deviations.
func TestProbabilityIsTheShare(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0, 0.01, 0.2, 0.5, 0.99, 1} {
		p := picking(t, fmt.Sprintf(`{"probability":%v,"seed":7}`, share))
		const n = 20_000
		hits := 0
		for i := range n {
			if _, hit := p.pick(asking(t, "GET", fmt.Sprintf("/%d", i%11))); hit {
				hits++
			}
		}
		assert.InDelta(t, share, float64(hits)/n, 4*0.5/141+1e-9)
		if share == 0 || share == 1 {
			assert.InDelta(t, share*n, hits, 0)
		}
	}
}

func TestFirstIsPerTrace(t *testing.T) {
	t.Parallel()
	p := picking(t, `{"first":2}`)
	parent := func(trace int) string {
		return fmt.Sprintf("Traceparent: 00-%032x-b7ad6b7169203331-01", trace)
	}
	for range 4 {
		for trace := 1; trace <= 5; trace++ {
			p.pick(asking(t, "GET", "/", parent(trace)))
		}
	}
	assert.Equal(t, uint64(10), p.picked, "two of each of five traces")
	_, hit := p.pick(asking(t, "GET", "/", parent(6)))
	assert.True(t, hit)
	_, hit = p.pick(asking(t, "GET", "/", parent(5)))
	assert.False(t, hit)
	for _, want := range []bool{true, true, false} { // without a trace: one of their own
		_, hit = p.pick(asking(t, "GET", "/"))
		assert.Equal(t, want, hit)
	}
}

func TestEveryAndLimit(t *testing.T) {
	t.Parallel()
	hits := func(attributes string) (out []int) {
		p := picking(t, attributes)
		for i := 1; i <= 12; i++ {
			if _, hit := p.pick(asking(t, "GET", "/")); hit {
				out = append(out, i)
			}
		}
		return out
	}
	assert.Equal(t, []int{3, 6, 9, 12}, hits(`{"every":3}`))
	assert.Equal(t, []int{3, 6}, hits(`{"every":3,"limit":2}`))
	assert.Equal(t, []int{1, 2, 3, 4, 5}, hits(`{"limit":5}`))
	assert.Len(t, hits(`{}`), 12)
}

func TestMatch(t *testing.T) {
	t.Parallel()
	head := asking(t, "POST", "/shop/cart?id=7", "Host: a", "X-Tenant: eu-west", "X-Empty:")
	for match, want := range map[string]bool{
		`{}`:                true,
		`{"method":"POST"}`: true, `{"method":"post"}`: true, `{"method":"GET"}`: false,
		`{"path":"/shop/cart"}`: true, `{"path":"/shop/*"}`: true, `{"path":"/shop"}`: false,
		`{"path":"/*"}`: false, `{"path":"/*/c?rt"}`: true, `{"path":"/shop/cart?id=7"}`: false,
		`{"header":{"x-tenant":"eu-*"}}`: true, `{"header":{"x-tenant":"us-*"}}`: false,
		`{"header":{"x-none":"*"}}`: false, `{"header":{"X-Empty":""}}`: true,
		`{"method":"POST","path":"/shop/*","header":{"X-Tenant":"*"}}`:  true,
		`{"method":"POST","path":"/other/*","header":{"X-Tenant":"*"}}`: false,
	} {
		_, hit := picking(t, `{"match":`+match+`}`).pick(head)
		assert.Equal(t, want, hit, match)
	}
	_, hit := picking(t, `{"match":{"path":"/a"}}`).pick(asking(t, "GET", "http://host/a?b"))
	assert.True(t, hit, "a whole URL, as proxies are asked")
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m memory
	for i := range uint64(5 * maxKeys) {
		m.set(i, i)
	}
	assert.LessOrEqual(t, len(m.counts[0])+len(m.counts[1]), maxKeys)
	assert.Equal(t, uint64(5*maxKeys-1), m.get(5*maxKeys-1))
	assert.Equal(t, uint64(4*maxKeys), m.get(4*maxKeys), "the first of the half before")
	assert.Zero(t, m.get(1))
}

// TestToxicsOfOneSeedChooseForThemselves: two with equal selectors do not hit the same
// requests.
func TestToxicsOfOneSeedChooseForThemselves(t *testing.T) {
	t.Parallel()
	s := Selector{Probability: new(0.5), Seed: 3}
	one, other := newPicker(s, "one"), newPicker(s, "other")
	both, either := 0, 0
	for i := range 400 {
		head := asking(t, "GET", fmt.Sprintf("/%d", i))
		_, a := one.pick(head)
		_, b := other.pick(head)
		if a && b {
			both++
		}
		if a || b {
			either++
		}
	}
	assert.InDelta(t, 100, both, 50)
	assert.InDelta(t, 300, either, 50)
}

// TestDrawsAreByMethodAndTarget: requests of another method between those of one
// do not change its choices.
func TestDrawsAreByMethodAndTarget(t *testing.T) {
	t.Parallel()
	const attributes = `{"probability":0.5,"seed":3}`
	alone, among := picking(t, attributes), picking(t, attributes)
	for range 200 {
		wantKey, want := alone.pick(asking(t, "GET", "/a"))
		among.pick(asking(t, "POST", "/a"))
		among.pick(asking(t, "GET", "/b"))
		key, hit := among.pick(asking(t, "GET", "/a"))
		require.Equal(t, wantKey, key)
		require.Equal(t, want, hit)
	}
}
