package faults_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// counted are the counters of a toxic that met n requests.
func counted(proxy, name string, n uint64) faults.Counters {
	return faults.Counters{Proxy: proxy, Counters: toxics.Counters{
		Name: name, Type: "http_status", Mode: "abort",
		Counts: toxics.Counts{Seen: n, Selected: n, Injected: n, Marked: n, Unreached: 2 * n, Unmarked: 2 * n},
	}}
}

// TestToxicsOfTheScriptAreBounded: a script that adds toxics with ever new names
// on two proxies. The hub of the first bounds them; the ledger bounds all.
func TestToxicsOfTheScriptAreBounded(t *testing.T) {
	t.Parallel()
	var ledger faults.Ledger
	var now []faults.Counters
	script := func(proxy, name string) {
		ledger.Script(faults.Toxic{Proxy: proxy, Name: name, Type: "http_status"}, now)
	}
	ledger.Enter("storm", nil, nil)
	for i := range toxics.MaxEntries - 1 {
		script("shop", strconv.Itoa(i))
		now = append(now, counted("shop", strconv.Itoa(i), 1))
	}
	script("shop", "shared")
	now = append(now, counted("shop", toxics.Others, 3)) // the hub's own bound
	script("cart", "a")
	script("cart", "b")
	now = append(now, counted("cart", "a", 5), counted("cart", "b", 7))

	rows := ledger.Rows(now)
	require.Len(t, rows, toxics.MaxEntries-1+2)
	var sum uint64
	for _, row := range rows {
		sum += row.Injected
	}
	assert.EqualValues(t, toxics.MaxEntries-1+3+5+7, sum, "nothing is lost")
	assert.Equal(t, []faults.Row{
		{Proxy: "cart", Toxic: toxics.Others, Type: "http_status", Mode: "abort", Counts: toxics.Counts{Seen: 12, Selected: 12, Injected: 12, Marked: 12, Unreached: 24, Unmarked: 24}},
		{Proxy: "shop", Toxic: toxics.Others, Type: "http_status", Mode: "abort", Counts: toxics.Counts{Seen: 3, Selected: 3, Injected: 3, Marked: 3, Unreached: 6, Unmarked: 6}},
	}, rows[:2])
	assert.Equal(t, "storm", rows[2].Phase)
}

// shares are the phases of a toxic of the script with the requests that it met.
func shares(ledger *faults.Ledger, now []faults.Counters) map[string]uint64 {
	out := make(map[string]uint64)
	for _, row := range ledger.Rows(now) {
		out[row.Phase] = row.Seen
	}
	return out
}

// TestCountersThatStartAnew: somebody has made the proxy again, or the server.
func TestCountersThatStartAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now  []faults.Counters
		want map[string]uint64
	}{
		"the proxy was made again": {[]faults.Counters{counted("shop", "a", 3)}, map[string]uint64{"one": 10, "two": 3}},
		"and has met more requests": {
			[]faults.Counters{{Proxy: "shop", Counters: toxics.Counters{
				Name: "a", Type: "http_status", Counts: toxics.Counts{Seen: 12, Selected: 1},
			}}},
			map[string]uint64{"one": 10, "two": 12},
		},
		"the server has no toxics":  {[]faults.Counters{}, map[string]uint64{"one": 10}},
		"the server cannot be read": {nil, map[string]uint64{"one": 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ledger faults.Ledger
			ledger.Enter("one", nil, nil)
			ledger.Script(faults.Toxic{Proxy: "shop", Name: "a", Type: "http_status"}, nil)
			ledger.Enter("two", nil, []faults.Counters{counted("shop", "a", 10)})
			assert.Equal(t, c.want, shares(&ledger, c.now))
		})
	}
}

// TestCountersThatCannotBeReadBetweenPhases are taken to be those that were read last.
func TestCountersThatCannotBeReadBetweenPhases(t *testing.T) {
	t.Parallel()
	var ledger faults.Ledger
	ledger.Enter("one", nil, nil)
	ledger.Script(faults.Toxic{Proxy: "shop", Name: "a", Type: "http_status"}, nil)
	ledger.Unmet([]faults.Counters{counted("shop", "a", 10)})
	ledger.Enter("two", nil, nil)
	assert.Equal(t, map[string]uint64{"one": 10, "two": 5},
		shares(&ledger, []faults.Counters{counted("shop", "a", 15)}))
}

// TestAPhaseThatIsEnteredAgain is the same one: another load generator drove it
// meanwhile.
func TestAPhaseThatIsEnteredAgain(t *testing.T) {
	t.Parallel()
	var ledger faults.Ledger
	ledger.Enter("one", nil, nil)
	ledger.Script(faults.Toxic{Proxy: "shop", Name: "a", Type: "http_status"}, nil)
	ledger.Enter("one", nil, []faults.Counters{counted("shop", "a", 10)})
	rows := ledger.Rows([]faults.Counters{counted("shop", "a", 15)})
	require.Len(t, rows, 1)
	assert.EqualValues(t, 15, rows[0].Seen)
}

// TestAReportWhileAPhaseBegins: what it has read before says nothing of the phase.
func TestAReportWhileAPhaseBegins(t *testing.T) {
	t.Parallel()
	var ledger faults.Ledger
	ledger.Enter("one", nil, nil)
	ledger.Script(faults.Toxic{Proxy: "shop", Name: "a", Type: "http_status"}, nil)
	var phase sync.WaitGroup
	ledger.Reading(func() {
		before := []faults.Counters{counted("shop", "a", 10)}
		phase.Go(func() {
			ledger.Reading(func() {
				ledger.Enter("two", nil, []faults.Counters{counted("shop", "a", 12)})
			})
		})
		time.Sleep(50 * time.Millisecond) // the phase could begin now
		assert.Equal(t, map[string]uint64{"one": 10}, shares(&ledger, before))
	})
	phase.Wait()
	assert.Equal(t, map[string]uint64{"one": 12, "two": 3},
		shares(&ledger, []faults.Counters{counted("shop", "a", 15)}))
}
