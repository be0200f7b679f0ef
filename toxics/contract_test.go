package toxics

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// spec is a toxic on the requests below /hit.
func spec(kind, attributes string) toxicSpec {
	return toxicSpec{kind, `{` + attributes + `,"match":{"path":"/hit/*"}}`}
}

// script are the attributes of a script, with all the time that it can have.
func script(source string) string {
	text, err := json.Marshal(source)
	if err != nil {
		panic(err)
	}
	return `"timeout":10000,"script":` + string(text)
}

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.ErrorLevel) // toxiproxy's bandwidth logs to the global logger
	goleak.VerifyTestMain(m)
}

func TestEveryToxicIsInTheContract(t *testing.T) {
	t.Parallel()
	for _, kind := range Types() {
		assert.True(t, slices.ContainsFunc(contractCases(), func(c contractCase) bool {
			return c.kind == kind
		}), kind)
	}
}

// check compares what both ends saw with the case. Requests behind one that ends
// the connection may have reached the service or not.
func (c *contractCase) check(tb testing.TB, w *wire, got seen, how string) {
	tb.Helper()
	want, read := c.seen, got
	require.Equal(tb, want.client, read.client, how)
	if c.ends {
		require.GreaterOrEqual(tb, len(read.service), len(want.service), how)
		read.service = read.service[:len(want.service)]
	}
	require.Equal(tb, want.service, read.service, how)
	counted := w.hub.Counters()[0]
	selected, injected := c.counts[0], c.counts[1]
	require.Equal(tb, selected, counted.Selected, how)
	require.Equal(tb, injected, counted.Injected, how)
	require.Zero(tb, counted.PassedThrough+counted.Unpaired+counted.Errors, how)
	marks := strings.Count(strings.Join(got.client, "\n"), " ["+c.kind+"; ")
	require.Equal(tb, uint64(marks), counted.Marked, how)
	requireBalance(tb, counted.Counts, how)
}

// requireBalance holds counts to what they say of each other when no request is
// under way.
func requireBalance(tb testing.TB, c Counts, how string) {
	tb.Helper()
	require.Equal(tb, c.Injected+c.Unreached, c.Marked+c.Unmarked, "%s: %+v", how, c)
}

// TestContract is what every toxic has to pass: pipelined requests of every
// form, hit and not hit, whole, cut at every offset in both directions, in single
// bytes, and interrupted after every chunk. What both ends see must not depend
// on it, and no goroutine may stay.
func TestContract(t *testing.T) {
	t.Parallel()
	const longest, apart = 1100, 61 // bytes of both streams; cuts of one run
	cuts := func(from, step int) (out []int) {
		for i := from; i < longest; i += step {
			out = append(out, i)
		}
		return out
	}
	for _, c := range contractCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			within(t, func() {
				w := newWire(t, c.toxicSpec)
				c.check(t, w, w.talk(pipelined(), nil), "whole")
				for from := range apart {
					w := newWire(t, c.toxicSpec)
					w.interrupt = from%2 == 0
					c.check(t, w, w.talk(pipelined(), cuts(from, apart)), fmt.Sprint("cut from ", from))
				}
				w = newWire(t, c.toxicSpec)
				c.check(t, w, w.talk(pipelined(), cuts(1, 1)), "single bytes")
				w = newWire(t, c.toxicSpec)
				w.interrupt = true
				c.check(t, w, w.talk(pipelined(), cuts(1, 1)), "interrupted after every byte")
			})
		})
	}
}

// TestContractAtTheEnd cuts the client's stream off at every offset: both halves
// must end, and the service must have got what was complete.
func TestContractAtTheEnd(t *testing.T) {
	t.Parallel()
	var raw []byte
	for _, r := range pipelined() {
		raw = append(raw, r.raw...)
	}
	for _, c := range contractCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			within(t, func() {
				for end := 0; end < len(raw); end += 11 {
					w := newWire(t, c.toxicSpec)
					w.hangUp = true
					got := w.talk([]request{{"GET", string(raw[:end])}}, nil)
					want := "200 answer to /plain/1"
					if end < len(pipelined()[0].raw) {
						want = "end: unexpected EOF"
					}
					require.Equal(t, want, got.client[0], "ends at %d", end)
				}
			})
		})
	}
}

// TestUntouchedBytesGoOutAsTheyCameIn compares both streams byte by byte, with
// every toxic in and none of them hitting.
func TestUntouchedBytesGoOutAsTheyCameIn(t *testing.T) {
	t.Parallel()
	var specs []toxicSpec
	for _, c := range contractCases() {
		var attributes map[string]any
		require.NoError(t, json.Unmarshal([]byte(c.attributes), &attributes))
		attributes["match"] = map[string]string{"path": "/nowhere"}
		text, err := json.Marshal(attributes)
		require.NoError(t, err)
		specs = append(specs, toxicSpec{c.kind, string(text)})
	}
	w := newWire(t, specs...)
	got := w.talk(pipelined(), nil)
	assert.Equal(t, serviceSeesAll(), got.service)
	assert.Equal(t, clientSees("200 answer to /hit/2 trailer=2", "200 answer to /hit/4 trailer=4",
		"200 ", "200 answer to /hit/7"), got.client)
	for _, counted := range w.hub.Counters() {
		assert.Equal(t, Counts{Seen: 8}, counted.Counts)
	}
	assert.Equal(t, w.fromClient, w.toService, "requests")
	assert.Equal(t, w.fromService, w.toClient, "responses")
}

// TestDelaysThatAreOverWakeNobody: a half that waited sleeps until something
// comes, and does not spin.
func TestDelaysThatAreOverWakeNobody(t *testing.T) {
	t.Parallel()
	w := newWire(t, spec("http_latency", `"latency":1`), spec("http_latency", `"latency":1,"on":"request"`))
	within(t, func() { w.talk(pipelined(), nil) })
	in, ok := w.requests.State.(*requests)
	require.True(t, ok)
	out, ok := w.responses.State.(*responses)
	require.True(t, ok)
	assert.NotNil(t, in.timer, "it waited")
	assert.NotNil(t, out.timer, "it waited")
	assert.Nil(t, in.deadline())
	assert.Nil(t, out.deadline())
}
