package faults_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/faults"
	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// fake is a controller without a server, which records what it is told.
type fake struct {
	unsupported string
	lease       faults.Lease

	mu     sync.Mutex
	began  time.Time
	log    []string
	in     map[string]bool
	fail   map[string]error            // by the first word and the toxic
	slow   map[string]time.Duration    // ditto
	refuse bool                        // counters cannot be read
	counts map[[2]string]toxics.Counts // by toxic and phase
	phase  map[string]string           // that a toxic was put in for last
}

func newFake() *fake {
	return &fake{
		in: make(map[string]bool), fail: make(map[string]error), began: time.Now(),
		counts: make(map[[2]string]toxics.Counts), phase: make(map[string]string),
		lease: always{},
	}
}

func (f *fake) note(what, toxic string) error {
	f.log = append(f.log, fmt.Sprintf("%s %s %s", time.Since(f.began), what, toxic))
	time.Sleep(f.slow[what+" "+toxic])
	return f.fail[what+" "+toxic]
}

func (f *fake) AddProxy(context.Context, faults.ProxyConfig) (faults.Proxy, error) {
	return faults.Proxy{}, errors.New("not used")
}

func (f *fake) Supports(kind string) error {
	if kind == f.unsupported {
		return errors.New("no " + kind)
	}
	return nil
}

func (f *fake) AddToxic(_ context.Context, t faults.Toxic) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.note("add", t.Name); err != nil {
		return err
	}
	if f.in[t.Name] {
		return fmt.Errorf("adding: %w", faults.ErrExists)
	}
	f.phase[t.Name], _ = t.Attributes["phase"].(string)
	f.in[t.Name] = true
	return nil
}

func (f *fake) UpdateToxic(context.Context, faults.Toxic) error { return errors.New("not used") }

func (f *fake) RemoveToxic(_ context.Context, _, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.note("remove", name); err != nil {
		return err
	}
	if !f.in[name] {
		return fmt.Errorf("removing: %w", faults.ErrNotFound)
	}
	delete(f.in, name)
	return nil
}

func (f *fake) Disable(context.Context, string) error { return errors.New("not used") }
func (f *fake) Enable(context.Context, string) error  { return errors.New("not used") }

// Counters lists what every toxic of type http_status has counted.
func (f *fake) Counters(context.Context) ([]faults.Counters, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse {
		return nil, errors.New("the server has gone")
	}
	var out []faults.Counters
	for key, counts := range f.counts {
		out = append(out, faults.Counters{Proxy: "shop", Counters: toxics.Counters{
			Name: key[0], Type: "http_status", Mode: "abort", Phase: key[1], Counts: counts,
		}})
	}
	return out, nil
}

// met lets a toxic see so many requests and inject half of them.
func (f *fake) met(name string, requests uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := [2]string{name, f.phase[name]}
	counts := f.counts[key]
	counts.Seen += requests
	counts.Selected += requests / 2
	counts.Injected += requests / 2
	counts.Marked += requests / 2
	f.counts[key] = counts
}

func (f *fake) Lease(string) faults.Lease   { return f.lease }
func (f *fake) Close(context.Context) error { return nil }

func (f *fake) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.log...)
}

// always is a lease that nobody else wants.
type always struct{}

func (always) Acquire(context.Context) (faults.Term, error) {
	return faults.Term{Driver: true}, nil
}

func (always) Renew(_ context.Context, elapsed time.Duration) (faults.Term, error) {
	return faults.Term{Driver: true, Elapsed: elapsed}, nil
}
func (always) Release(context.Context) error { return nil }
func (always) Every() time.Duration          { return 0 }
