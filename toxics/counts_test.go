package toxics

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNamesAreBounded adds toxics with ever new names. Those beyond the bound
// count and mark together, per type, and each shows its own counts while it is in.
func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	h := NewHub(t.Name())
	defer h.Close()
	hit := func(name, kind string) *rule {
		require.NoError(t, h.Add(name, kind, json.RawMessage(`{"phase":"p"}`)))
		rules := *h.rules.Load()
		r := rules[len(rules)-1]
		r.counts.add(eventSeen)
		r.counts.add(eventSelected)
		r.counts.add(eventInjected)
		return r
	}
	const beyond = 7
	for i := range MaxEntries + beyond {
		hit(strconv.Itoa(i), "http_status")
		_, err := h.Remove(strconv.Itoa(i))
		require.NoError(t, err)
	}
	first, second := hit("one more", "http_status"), hit("and one", "http_latency")
	assert.Equal(t, "http_status; mode=abort; name=%28other%29", first.mark("abort"))
	second.counts.add(eventSeen)
	second.counts.fail(assert.AnError)
	assert.Equal(t, []Counters{
		{Name: "one more", Type: "http_status", Mode: "abort", Phase: "p", Counts: Counts{
			Seen: 1, Selected: 1, Injected: 1,
		}},
		{Name: "and one", Type: "http_latency", Mode: "response", Phase: "p", Counts: Counts{
			Seen: 2, Selected: 1, Injected: 1, Errors: 1,
		}},
	}, h.Counters())
	require.NoError(t, h.Update("one more", json.RawMessage(`{"mode":"replace"}`)))
	assert.Equal(t, "http_status; mode=replace; name=%28other%29",
		(*h.rules.Load())[0].mark("replace"), "an update keeps the place")
	var sum uint64
	totals := h.Totals()
	require.Len(t, totals, MaxEntries+2)
	for _, total := range totals {
		sum += total.Injected
	}
	assert.Equal(t, uint64(MaxEntries+beyond+2), sum, "nothing is lost")
	assert.Equal(t, []Counters{
		{Name: Others, Type: "http_latency", Mode: "response", Counts: Counts{
			Seen: 2, Selected: 1, Injected: 1, Errors: 1,
		}},
		{Name: Others, Type: "http_status", Mode: "replace", Counts: Counts{
			Seen: beyond + 1, Selected: beyond + 1, Injected: beyond + 1,
		}},
	}, totals[:2])
	again := hit("0", "http_status")
	assert.Equal(t, "http_status; mode=abort; name=0; phase=p", again.mark("abort"),
		"one that has a place keeps it")
}
