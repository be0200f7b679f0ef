package faults_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
)

// followed is the lease of a plan that another load generator drives, which tells
// after each second how long the plan has run.
type followed struct {
	always

	begun time.Duration // of the plan, when it is joined
	told  []time.Duration
}

func (f *followed) Acquire(context.Context) (faults.Term, error) {
	return faults.Term{Elapsed: f.begun}, nil
}
func (f *followed) Every() time.Duration { return time.Second }

func (f *followed) Renew(context.Context, time.Duration) (faults.Term, error) {
	elapsed := f.told[0]
	if len(f.told) > 1 {
		f.told = f.told[1:]
	}
	return faults.Term{Elapsed: elapsed}, nil
}

// TestFollowerTakesTheEarliestStart: what it reads of the driver's time is late and
// never early, so a reading that says more is nearer to the truth, and one that says
// less is not.
func TestFollowerTakesTheEarliestStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan, err := faults.ParsePlan([]byte(threePhases))
		require.NoError(t, err)
		ctl := newFake()
		ctl.lease = &followed{told: []time.Duration{4 * time.Second, time.Second, 0}}
		run := faults.NewRunner(ctl, plan, faults.RunnerConfig{})
		require.NoError(t, run.Start(context.Background()))
		wait(7*time.Second - time.Millisecond)
		assert.Equal(t, "calm", run.Phase())
		wait(time.Millisecond)
		assert.Equal(t, "storm", run.Phase(), "it began 3 s before we joined")
		wait(20 * time.Second)
		assert.Equal(t, "after", run.Phase())
		assert.Empty(t, ctl.told(), "the driver puts toxics in")
		require.NoError(t, run.Stop(context.Background()))
	})
}

// TestFollowerOfAPlanThatIsOver is in its last phase, as the driver is: without toxics
// it lasts until the end of the load.
func TestFollowerOfAPlanThatIsOver(t *testing.T) {
	t.Parallel()
	for name, lease := range map[string]*followed{
		"it joins late":            {begun: time.Hour, told: []time.Duration{time.Hour}},
		"it learns so":             {told: []time.Duration{time.Hour}},
		"it joins in the last one": {begun: 34 * time.Second, told: []time.Duration{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				run := newRun(t, threePhases, lease)
				require.NoError(t, run.Start(context.Background()))
				wait(time.Minute)
				assert.Equal(t, "after", run.Phase())
				require.NoError(t, run.Stop(context.Background()))
				phases := run.Phases()
				assert.Equal(t, time.Now(), phases[len(phases)-1].End)
			})
		})
	}
}

// watching asks for the running phase whenever a toxic comes in.
type watching struct {
	*fake

	run    *faults.Runner
	phases []string
}

func (w *watching) AddToxic(ctx context.Context, t faults.Toxic) error {
	w.phases = append(w.phases, w.run.Phase())
	return w.fake.AddToxic(ctx, t)
}

// TestToxicsComeInAfterTheNameOfTheirPhase: no attempt that one of them hits is
// labelled with the phase before. The plan itself stays as it is.
func TestToxicsComeInAfterTheNameOfTheirPhase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan, err := faults.ParsePlan([]byte(`{"name":"two","phases":[
			{"name":"first","duration":"1s","toxics":[
				{"proxy":"shop","name":"a","type":"http_status","attributes":{"status":500}}]},
			{"name":"second","duration":"1s","toxics":[
				{"proxy":"shop","name":"b","type":"http_status"}]}]}`))
		require.NoError(t, err)
		before := plan.Fingerprint()
		ctl := &watching{fake: newFake()}
		ctl.run = faults.NewRunner(ctl, plan, faults.RunnerConfig{})
		require.NoError(t, ctl.run.Start(context.Background()))
		wait(2 * time.Second)
		require.NoError(t, ctl.run.Stop(context.Background()))
		assert.Equal(t, []string{"first", "second"}, ctl.phases)
		assert.Equal(t, before, plan.Fingerprint())
	})
}
