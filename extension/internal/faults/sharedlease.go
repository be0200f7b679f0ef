package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	leaseEvery = 500 * time.Millisecond // how often a lease is renewed and read
	leaseTerm  = 5 * time.Second        // without a renewal it is taken over
	leasePoll  = 100 * time.Millisecond // how often a joining load generator reads
)

// sharedLease is a lease on a server, as a record for each of its epochs. Making
// the record of the next epoch takes the lease, and only one can; the highest
// epoch is the one that counts. Its owner renews the record, so that one which
// does not change for leaseTerm is known to be dead, and finds at each renewal
// whether somebody took over.
type sharedLease struct {
	records *records
	prefix  string // of the records; the epoch follows
	epoch   uint64 // the highest that was seen
	driver  bool
	beats   uint64
	last    string // value of the record of that epoch
	changed time.Time
}

// lease implements registry.
func (r *records) lease(plan string) Lease {
	return &sharedLease{records: r, prefix: recordPrefix + "driver." + plan + "."}
}

// Every implements Lease.
func (l *sharedLease) Every() time.Duration { return leaseEvery }

func (l *sharedLease) name(epoch uint64) string {
	return l.prefix + strconv.FormatUint(epoch, 10)
}

// value is the value of a record: whose it is, how long the plan has run, and a
// number that makes it differ from the one before.
func (l *sharedLease) value(elapsed time.Duration) string {
	l.beats++
	return fmt.Sprintf(`{"id":%q,"elapsed_ms":%d,"beat":%d}`,
		l.records.id, elapsed.Milliseconds(), l.beats)
}

// read finds the record of the highest epoch; ok is false when there is none.
func (l *sharedLease) read(ctx context.Context) (value string, ok bool, err error) {
	all, err := l.records.list(ctx, l.prefix)
	if err != nil {
		return "", false, fmt.Errorf("reading the lease of the fault plan: %w", err)
	}
	for rest, text := range all {
		epoch, err := strconv.ParseUint(rest, 10, 64)
		if err == nil && epoch >= l.epoch {
			if epoch > l.epoch {
				l.last = ""
			}
			l.epoch, value, ok = epoch, text, true
		}
	}
	if ok && value != l.last {
		l.last, l.changed = value, time.Now()
	}
	return value, ok, nil
}

// take makes this load generator the driver, unless another one is faster.
func (l *sharedLease) take(ctx context.Context, elapsed time.Duration) (Term, error) {
	stale := l.epoch
	err := l.records.put(ctx, l.name(stale+1), l.value(elapsed))
	if errors.Is(err, ErrExists) {
		l.changed = time.Now()
		return Term{Elapsed: elapsed}, nil
	}
	if err != nil {
		return Term{}, fmt.Errorf("taking the lease of the fault plan: %w", err)
	}
	l.epoch, l.driver = stale+1, true
	return Term{Driver: true, Elapsed: elapsed}, l.records.remove(ctx, l.name(stale))
}

// Acquire implements Lease. A record that nobody renews is left over from a load
// generator that was killed; the plan then starts anew.
func (l *sharedLease) Acquire(ctx context.Context) (Term, error) {
	var first string
	for {
		value, ok, err := l.read(ctx)
		switch {
		case err != nil:
			return Term{}, err
		case !ok || first != "" && time.Since(l.changed) >= leaseTerm:
			if term, err := l.take(ctx, 0); err != nil || term.Driver {
				return term, err
			}
			first = ""
		case first == "":
			first = value
		case value != first:
			return l.follow(value)
		}
		timer := time.NewTimer(leasePoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Term{}, fmt.Errorf("joining the fault plan: %w", ctx.Err())
		}
	}
}

// follow reads the driver's record.
func (l *sharedLease) follow(value string) (Term, error) {
	var v struct {
		Elapsed int64 `json:"elapsed_ms"`
	}
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		return Term{}, fmt.Errorf("reading the lease of the fault plan %q: %w", value, err)
	}
	return Term{Elapsed: time.Duration(v.Elapsed) * time.Millisecond}, nil
}

// Renew implements Lease.
func (l *sharedLease) Renew(ctx context.Context, elapsed time.Duration) (Term, error) {
	mine := l.epoch
	value, ok, err := l.read(ctx)
	if err != nil {
		return Term{Driver: l.driver, Elapsed: elapsed}, err
	}
	if !l.driver {
		if !ok || time.Since(l.changed) >= leaseTerm {
			term, err := l.take(ctx, elapsed)
			term.Expired = ok
			return term, err
		}
		return l.follow(value)
	}
	if l.epoch > mine {
		l.driver = false
		return Term{Elapsed: elapsed}, l.records.remove(ctx, l.name(mine))
	}
	err = l.records.set(ctx, l.name(mine), l.value(elapsed))
	if isNotFound(err) { // somebody cleaned up the server
		err = l.records.put(ctx, l.name(mine), l.value(elapsed))
	}
	if err != nil {
		err = fmt.Errorf("renewing the lease of the fault plan: %w", err)
	}
	return Term{Driver: true, Elapsed: elapsed}, err
}

// Release implements Lease.
func (l *sharedLease) Release(ctx context.Context) error {
	if !l.driver {
		return nil
	}
	l.driver = false
	return l.records.remove(ctx, l.name(l.epoch))
}
