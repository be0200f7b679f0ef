package faults

import (
	"context"
	"time"
)

// Lease is how several load generators that share a toxiproxy agree on one driver:
// the one that puts the toxics of a plan in and takes them out. The others
// follow its phases, so that all of them label their attempts alike.
//
// The lease is kept on the toxiproxy server, as a proxy that never listens; see
// [registry]. The driver renews it with how long the plan has run, by its own
// monotonic clock. A follower takes that as a lower bound of the true time: it
// keeps the earliest start that any reading gives, and is behind by at most the
// time from a renewal to its reading, whatever the machines' clocks say. A lease
// that is not renewed for leaseTerm is taken over, and the plan goes on.
type Lease interface {
	// Acquire makes this load generator the driver of a plan, or joins one that
	// another one drives.
	Acquire(ctx context.Context) (Term, error)
	// Renew tells or learns how long the plan has run. The driver passes the true
	// time. A follower that finds the driver gone becomes the driver.
	Renew(ctx context.Context, elapsed time.Duration) (Term, error)
	// Release gives the plan to whoever is left.
	Release(ctx context.Context) error
	// Every is how often to renew; 0 means never.
	Every() time.Duration
}

// Term is the state of a lease.
type Term struct {
	Driver  bool
	Elapsed time.Duration // of the plan, at least
	Expired bool          // the driver before did not release it
}

// soleLease is the lease of a toxiproxy that nobody shares.
type soleLease struct{}

func (soleLease) Acquire(context.Context) (Term, error) { return Term{Driver: true}, nil }
func (soleLease) Release(context.Context) error         { return nil }
func (soleLease) Every() time.Duration                  { return 0 }
func (soleLease) Renew(_ context.Context, elapsed time.Duration) (Term, error) {
	return Term{Driver: true, Elapsed: elapsed}, nil
}
