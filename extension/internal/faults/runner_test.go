package faults_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// messages collects warnings.
type messages struct {
	mu   sync.Mutex
	list []string
}

func (m *messages) add(message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, message)
}

func (m *messages) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.list...)
}

const threePhases = `{"name":"three","phases":[
	{"name":"calm","duration":"10s"},
	{"name":"storm","duration":"20s","toxics":[
		{"proxy":"shop","name":"a","type":"http_status"},
		{"proxy":"shop","name":"b","type":"latency","attributes":{"latency":1}}]},
	{"name":"after","duration":"5s"}]}`

// aRun is a runner of a plan on a fake controller.
type aRun struct {
	*faults.Runner
	ctl    *fake
	ledger *faults.Ledger
	warned *messages
}

func newRun(t *testing.T, plan string, leases ...faults.Lease) *aRun {
	t.Helper()
	parsed, err := faults.ParsePlan([]byte(plan))
	require.NoError(t, err)
	run := &aRun{ctl: newFake(), ledger: &faults.Ledger{}, warned: &messages{}}
	for _, lease := range leases {
		run.ctl.lease = lease
	}
	run.Runner = faults.NewRunner(run.ctl, parsed, faults.RunnerConfig{
		Warn: run.warned.add, Ledger: run.ledger,
	})
	return run
}

func (r *aRun) rows(t *testing.T) []faults.Row {
	t.Helper()
	now, err := r.ctl.Counters(context.Background())
	require.NoError(t, err)
	return r.ledger.Rows(now)
}

// wait lets so much time pass, and everything happen that is due by then.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPlanTakesItsPhasesByTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, threePhases)
		assert.Empty(t, run.Phase())
		require.NoError(t, run.Start(context.Background()))
		assert.Equal(t, "calm", run.Phase())
		wait(10*time.Second - time.Nanosecond)
		assert.Equal(t, "calm", run.Phase())
		assert.Empty(t, run.ctl.told())
		wait(time.Nanosecond)
		assert.Equal(t, "storm", run.Phase())
		run.ctl.met("a", 10)
		wait(20 * time.Second)
		assert.Equal(t, "after", run.Phase())
		wait(time.Hour)
		assert.Equal(t, "after", run.Phase(), "a last phase without toxics lasts to the end")
		assert.Equal(t, []string{"10s add a", "10s add b", "30s remove a", "30s remove b"},
			run.ctl.told())
		require.NoError(t, run.Stop(context.Background()))
		phases := run.Phases()
		require.Len(t, phases, 3)
		assert.Equal(t, []string{"a", "b"}, phases[1].Toxics)
		assert.Equal(t, 20*time.Second, phases[1].End.Sub(phases[1].Start))
		assert.Equal(t, time.Hour, phases[2].End.Sub(phases[2].Start))
		assert.Empty(t, run.warned.all())
	})
}

func TestLastPhaseWithToxicsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, toxicPlan(`{"proxy":"shop","name":"a","type":"http_status"}`))
		require.NoError(t, run.Start(context.Background()))
		assert.Equal(t, "a", run.Phase())
		assert.Equal(t, []string{"0s add a"}, run.ctl.told(), "they are in when Start returns")
		run.ctl.met("a", 2)
		wait(time.Second)
		assert.Empty(t, run.Phase(), "outside of the plan")
		assert.Equal(t, []string{"0s add a", "1s remove a"}, run.ctl.told())
		require.NoError(t, run.Stop(context.Background()))
		require.NoError(t, run.Stop(context.Background()))
		assert.Len(t, run.ctl.told(), 2)
	})
}

func TestStopEndsThePhaseEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, threePhases)
		require.NoError(t, run.Start(context.Background()))
		wait(12 * time.Second)
		run.ctl.met("a", 4)
		require.NoError(t, run.Stop(context.Background()))
		assert.Equal(t, []string{"10s add a", "10s add b", "12s remove a", "12s remove b"},
			run.ctl.told())
		assert.Equal(t, "storm", run.Phase(), "what is under way still belongs to it")
		run.ctl.met("a", 2)
		assert.Equal(t, []faults.Row{{
			Phase: "storm", Proxy: "shop", Toxic: "a", Type: "http_status", Mode: "abort",
			Counts: toxics.Counts{Seen: 6, Selected: 3, Injected: 3, Marked: 3},
		}}, run.rows(t))
		wait(time.Hour)
		assert.Len(t, run.ctl.told(), 4)
	})
}

func TestToxicWithoutRequestsIsCalledOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, threePhases)
		require.NoError(t, run.Start(context.Background()))
		wait(30 * time.Second)
		assert.Equal(t, []string{
			`fault plan: in phase "storm" toxic "a" of proxy "shop" met no request`,
		}, run.warned.all(), "toxiproxy's own toxics do not count")
		require.NoError(t, run.Stop(context.Background()))
		rows := run.rows(t)
		require.Len(t, rows, 1)
		assert.Equal(t, "storm", rows[0].Phase)
		assert.Zero(t, rows[0].Seen)
	})
}

func TestStartThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, toxicPlan(`{"proxy":"shop","name":"a","type":"http_status"},
			{"proxy":"shop","name":"b","type":"http_status"}`))
		run.ctl.fail["add b"] = errors.New("no room")
		require.EqualError(t, run.Start(context.Background()), `phase "a": no room`)
		assert.Equal(t, []string{"0s add a", "0s add b", "0s remove a"}, run.ctl.told())
		require.NoError(t, run.Stop(context.Background()))
	})
}

func TestErrorBetweenPhasesIsToldAndThePlanGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, threePhases)
		run.ctl.fail["add a"] = errors.New("no room")
		require.NoError(t, run.Start(context.Background()))
		wait(10 * time.Second)
		assert.Equal(t, []string{`fault plan: phase "storm": no room`}, run.warned.all())
		wait(20 * time.Second)
		assert.Equal(t, "after", run.Phase())
		assert.Equal(t, []string{"10s add a", "10s add b", "30s remove b"}, run.ctl.told())
		require.NoError(t, run.Stop(context.Background()))
	})
}

func TestToxicOfAKilledRunIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, toxicPlan(`{"proxy":"shop","name":"a","type":"http_status"}`))
		run.ctl.in["a"] = true
		require.NoError(t, run.Start(context.Background()))
		assert.Equal(t, []string{"0s add a", "0s remove a", "0s add a"}, run.ctl.told())
		assert.Equal(t, []string{
			`fault plan: replaced toxic "a" that was on proxy "shop" already`,
		}, run.warned.all())
		require.NoError(t, run.Stop(context.Background()))
	})
}

// TestCountsBelongToTheirPhase: the same toxic in two phases, one of the script
// next to it, and requests that were under way when a phase ended.
func TestCountsBelongToTheirPhase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		toxic := `"toxics":[{"proxy":"shop","name":"a","type":"http_status"}]`
		run := newRun(t, `{"name":"p","phases":[{"name":"one","duration":"1s",`+toxic+`},
			{"name":"pause","duration":"1s"},{"name":"two","duration":"1s",`+toxic+`}]}`)
		run.ledger.Script(faults.Toxic{Proxy: "shop", Name: "mine", Type: "http_status"}, nil)
		run.ctl.met("mine", 2)
		require.NoError(t, run.Start(context.Background()))
		run.ctl.met("a", 10)
		run.ctl.met("mine", 4)
		wait(time.Second)
		run.ctl.met("a", 2) // was under way
		wait(time.Second)
		run.ctl.met("a", 100)
		run.ctl.met("mine", 8)
		wait(time.Second)
		require.NoError(t, run.Stop(context.Background()))
		var got []string
		for _, row := range run.rows(t) {
			got = append(got, fmt.Sprintf("%s/%s %d %d %s",
				row.Phase, row.Toxic, row.Seen, row.Injected, row.Mode))
		}
		assert.Equal(t, []string{
			"one/a 12 6 abort", "two/a 100 50 abort",
			"/mine 2 1 abort", "one/mine 4 2 abort", "two/mine 8 4 abort",
		}, got)
	})
}

func TestCountersThatCannotBeReadAreToldOfAndKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, threePhases)
		require.NoError(t, run.Start(context.Background()))
		wait(11 * time.Second)
		run.ctl.met("a", 4)
		run.rows(t)
		run.ctl.mu.Lock()
		run.ctl.refuse = true
		run.ctl.mu.Unlock()
		require.NoError(t, run.Stop(context.Background()))
		assert.Equal(t, []string{"fault plan: the server has gone"}, run.warned.all())
		require.Len(t, run.ledger.Rows(nil), 1)
		assert.EqualValues(t, 4, run.ledger.Rows(nil)[0].Seen)
	})
}

// shortPhases are over as soon as a toxic takes long to come in.
const shortPhases = `{"name":"p","phases":[
	{"name":"one","duration":"1s","toxics":[{"proxy":"shop","name":"a","type":"http_status"}]},
	{"name":"two","duration":"1s"},
	{"name":"three","duration":"10s"}]}`

// TestAPhaseThatIsLeftOutIsToldOf: none of its toxics was in, and a report has no row of it.
func TestAPhaseThatIsLeftOutIsToldOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, shortPhases)
		run.ctl.slow = map[string]time.Duration{"add a": 2500 * time.Millisecond}
		require.NoError(t, run.Start(context.Background()))
		synctest.Wait()
		assert.Equal(t, "three", run.Phase())
		assert.Contains(t, run.warned.all(),
			`fault plan: phase "two" was left out: its time was over before it could begin`)
		require.NoError(t, run.Stop(context.Background()))
	})
}

// TestAPhaseThatBeganDuringAChangeIsNotLeftOut: to take toxics out and put them in may
// take its time.
func TestAPhaseThatBeganDuringAChangeIsNotLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newRun(t, shortPhases)
		run.ctl.slow = map[string]time.Duration{"add a": 1500 * time.Millisecond}
		require.NoError(t, run.Start(context.Background()))
		synctest.Wait()
		assert.Equal(t, "two", run.Phase(), "1.5 s of the plan have passed")
		wait(500 * time.Millisecond)
		assert.Equal(t, "three", run.Phase())
		assert.NotContains(t, strings.Join(run.warned.all(), " "), "left out")
		require.NoError(t, run.Stop(context.Background()))
	})
}
