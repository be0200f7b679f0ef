package faults_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics/server"
)

// generator is one of several load generators that share a toxiproxy and a plan.
type generator struct {
	*faults.Runner
	ctl    faults.Controller
	ledger *faults.Ledger
	warned *messages
}

// gated is an API that one of its users can be cut off from.
type gated struct {
	http.Handler
	mu  sync.Mutex
	cut bool
}

func (g *gated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	cut := g.cut
	g.mu.Unlock()
	if cut {
		http.Error(w, `{"error":"cut off","status":500}`, http.StatusInternalServerError)
		return
	}
	g.Handler.ServeHTTP(w, r)
}

func (g *gated) set(cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = cut
}

const shared = `{"name":"shared","phases":[
	{"name":"calm","duration":"10s"},
	{"name":"storm","duration":"30s","toxics":[{"proxy":"shop","name":"a","type":"http_status"}]},
	{"name":"after","duration":"10s"}]}`

// sharedServer is a toxiproxy with a proxy that does not listen: connections
// would be outside of the test's bubble.
func sharedServer(t *testing.T) (*server.Server, http.Handler) {
	t.Helper()
	s, err := server.New(server.Config{Logger: zerolog.Nop()})
	require.NoError(t, err)
	_, err = s.Populate(t.Context(), strings.NewReader(
		`[{"name":"shop","listen":"127.0.0.1:1","upstream":"127.0.0.1:9","enabled":false}]`))
	require.NoError(t, err)
	return s, s.Handler()
}

func newGenerator(t *testing.T, handler http.Handler) *generator {
	t.Helper()
	g := &generator{ledger: &faults.Ledger{}, warned: &messages{}}
	var err error
	g.ctl, err = faults.NewRemoteIn(context.Background(), "127.0.0.1", handler)
	require.NoError(t, err)
	addProxy(t, g.ctl, faults.ProxyConfig{Name: "shop", Upstream: "127.0.0.1:9"})
	plan, err := faults.ParsePlan([]byte(shared))
	require.NoError(t, err)
	g.Runner = faults.NewRunner(g.ctl, plan, faults.RunnerConfig{
		Warn: g.warned.add, Ledger: g.ledger,
	})
	return g
}

func (g *generator) start(t *testing.T) {
	t.Helper()
	require.NoError(t, g.Start(context.Background()))
}

func (g *generator) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, g.Stop(context.Background()))
	require.NoError(t, g.ctl.Close(context.Background()))
}

// toxicsIn counts the toxics that are in.
func toxicsIn(t *testing.T, handler http.Handler) int {
	t.Helper()
	w := &strings.Builder{}
	r, err := http.NewRequest(http.MethodGet, "/proxies/shop/toxics", http.NoBody)
	require.NoError(t, err)
	handler.ServeHTTP(plainWriter{w}, r)
	return strings.Count(w.String(), `"name"`)
}

type plainWriter struct{ *strings.Builder }

func (plainWriter) Header() http.Header { return http.Header{} }
func (plainWriter) WriteHeader(int)     {}

// rowsOf lists the rows of planned toxics that a load generator reports.
func (g *generator) rows(t *testing.T) int {
	t.Helper()
	now, err := g.ctl.Counters(context.Background())
	if err != nil {
		now = nil
	}
	return len(g.ledger.Rows(now))
}

func TestOneOfSeveralDrivesAndAllAgreeOnThePhase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, handler := sharedServer(t)
		defer s.Close()
		all := []*generator{
			newGenerator(t, handler), newGenerator(t, handler), newGenerator(t, handler),
		}
		all[0].start(t)
		wait(3 * time.Second) // the others are late
		var starting sync.WaitGroup
		for _, g := range all[1:] {
			starting.Go(func() { g.start(t) })
		}
		starting.Wait()
		for _, g := range all {
			assert.Equal(t, "calm", g.Phase())
		}
		wait(7 * time.Second) // the driver is in its second phase since 0 to 500 ms
		assert.Equal(t, "storm", all[0].Phase())
		wait(500 * time.Millisecond)
		for _, g := range all {
			assert.Equal(t, "storm", g.Phase())
		}
		assert.Equal(t, 1, toxicsIn(t, handler))
		wait(30 * time.Second)
		for _, g := range all {
			assert.Equal(t, "after", g.Phase())
		}
		assert.Zero(t, toxicsIn(t, handler))
		assert.Equal(t, []int{1, 0, 0}, []int{all[0].rows(t), all[1].rows(t), all[2].rows(t)},
			"one of them reports the toxics")
		for _, g := range all {
			g.stop(t)
			assert.NotContains(t, strings.Join(g.warned.all(), "\n"), "took over")
		}
	})
}

func TestDriverThatLeavesIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, handler := sharedServer(t)
		defer s.Close()
		first, second := newGenerator(t, handler), newGenerator(t, handler)
		first.start(t)
		second.start(t)
		wait(12 * time.Second)
		assert.Equal(t, 1, toxicsIn(t, handler))
		first.stop(t)
		assert.Zero(t, toxicsIn(t, handler))
		wait(time.Second)
		assert.Equal(t, 1, toxicsIn(t, handler), "in the same phase")
		assert.Equal(t, "storm", second.Phase())
		assert.Empty(t, second.warned.all(), "its load had ended, as loads do")
		wait(28 * time.Second)
		assert.Equal(t, "after", second.Phase())
		assert.Zero(t, toxicsIn(t, handler))
		second.stop(t)
	})
}

// TestDriverThatIsCutOff is replaced, and steps down when it is back.
func TestDriverThatIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, handler := sharedServer(t)
		defer s.Close()
		gate := &gated{Handler: handler}
		first, second := newGenerator(t, gate), newGenerator(t, handler)
		first.start(t)
		second.start(t)
		wait(12 * time.Second)
		gate.set(true)
		wait(faults.LeaseTerm + time.Second)
		assert.Contains(t, strings.Join(second.warned.all(), "\n"),
			`took over from a load generator that has gone, in phase "storm"`)
		assert.Equal(t, 1, toxicsIn(t, handler))
		gate.set(false)
		wait(time.Second)
		assert.Contains(t, strings.Join(first.warned.all(), "\n"),
			`fault plan: another load generator took over in phase "storm"`)
		first.stop(t)
		assert.Equal(t, 1, toxicsIn(t, handler), "it leaves the toxics to the new driver")
		second.stop(t)
		assert.Zero(t, toxicsIn(t, handler))
	})
}

// TestLeaseOfAKilledRun does not keep the next run from starting anew.
func TestLeaseOfAKilledRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, handler := sharedServer(t)
		defer s.Close()
		gate := &gated{Handler: handler}
		killed := newGenerator(t, gate)
		killed.start(t)
		wait(12 * time.Second)
		gate.set(true)
		next := newGenerator(t, handler)
		began := time.Now()
		next.start(t)
		assert.Less(t, time.Since(began), faults.LeaseTerm+time.Second)
		assert.Equal(t, "calm", next.Phase(), "from the start")
		wait(10 * time.Second)
		assert.Equal(t, "storm", next.Phase())
		assert.Equal(t, []string{
			`fault plan: replaced toxic "a" that was on proxy "shop" already`,
		}, next.warned.all())
		assert.Equal(t, 1, toxicsIn(t, handler))
		next.stop(t)
		require.NoError(t, killed.Stop(context.Background()))
	})
}
