package toxics

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A request that is under way while its toxic goes out and comes in again for
// the next phase counts for the phase whose toxic chose it.
func TestToxicsCountAndMarkUnderTheirPhase(t *testing.T) {
	t.Parallel()
	h := NewHub(t.Name())
	t.Cleanup(h.Close)
	add := func(phase string) *rule {
		attributes, err := json.Marshal(map[string]any{"phase": phase})
		require.NoError(t, err)
		require.NoError(t, h.Add("a", "http_status", attributes))
		return (*h.rules.Load())[0]
	}
	first := add("503s; more")
	first.counts.of[eventSeen].Add(2)
	_, err := h.Remove("a")
	require.NoError(t, err)
	second := add("both")
	second.counts.add(eventSeen)
	first.counts.add(eventInjected)

	assert.Equal(t, "http_status; mode=abort; name=a; phase=503s%3B+more", first.mark("abort"))
	require.NoError(t, h.Update("a", json.RawMessage(`{"status":500}`)))
	assert.Equal(t, "http_status; mode=abort; name=a; phase=both",
		(*h.rules.Load())[0].mark("abort"))
	assert.Equal(t, "both", h.Counters()[0].Phase)
	assert.Equal(t, []Counters{
		{Name: "a", Type: "http_status", Mode: "abort", Phase: "503s; more", Counts: Counts{
			Seen: 2, Injected: 1,
		}},
		{Name: "a", Type: "http_status", Mode: "abort", Phase: "both", Counts: Counts{Seen: 1}},
	}, h.Totals())
}

// TestMarksTellTheirToxicFromOthers, whatever its name is: those of another proxy too.
func TestMarksTellTheirToxicFromOthers(t *testing.T) {
	t.Parallel()
	h := NewHub(t.Name())
	t.Cleanup(h.Close)
	h.proxy = "my shop"
	require.NoError(t, h.Add("slöw; 1, 100%", "http_status", nil))
	want := "http_status; mode=abort; name=sl%C3%B6w%3B%201%2C%20100%25; proxy=my%20shop"
	assert.Equal(t, want, (*h.rules.Load())[0].mark("abort"))
	require.NoError(t, h.Update("slöw; 1, 100%", nil))
	assert.Equal(t, want, (*h.rules.Load())[0].mark("abort"))
}

// TestQueueIsBounded: a client that pipelines without reading waits, and goes on
// when a response has gone out.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	l := newLink(NewHub(t.Name()))
	l.hub.Close()
	for range maxQueue {
		require.True(t, pushed(l))
	}
	require.False(t, pushed(l))
	require.Empty(t, l.room)
	l.pop()
	require.Len(t, l.room, 1, "the request half is told")
	require.True(t, pushed(l))
}

func pushed(l *link) bool {
	_, ok := l.push(&exchange{})
	return ok
}

// TestCountersStartAnew when a toxic comes in again, and its totals go on.
func TestCountersStartAnew(t *testing.T) {
	t.Parallel()
	h := NewHub(t.Name())
	t.Cleanup(h.Close)
	for range 2 {
		require.NoError(t, h.Add("a", "http_status", nil))
		assert.Equal(t, Counts{}, h.Counters()[0].Counts)
		c := (*h.rules.Load())[0].counts
		for e := range eventFailed {
			for range e + 1 {
				c.add(e)
			}
		}
		c.fail(assert.AnError)
		want := Counts{
			Seen: 1, Selected: 2, Injected: 3, Marked: 4, Unreached: 5, Unmarked: 6, Errors: 1,
		}
		assert.Equal(t, want, h.Counters()[0].Counts)
		removed, err := h.Remove("a")
		require.NoError(t, err)
		assert.Equal(t, want, removed.Counts)
	}
	assert.Equal(t, Counts{
		Seen: 2, Selected: 4, Injected: 6, Marked: 8, Unreached: 10, Unmarked: 12, Errors: 2,
	}, h.Totals()[0].Counts)
}
