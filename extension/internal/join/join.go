package join

import (
	"fmt"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Config sets the bounds of a store. Zero values stand for the defaults.
type Config struct {
	Settle    time.Duration // after the last attempt's end; default 10s
	Linger    time.Duration // after the last span of a complete trace; default 500ms
	MaxTraces int           // open traces at most; default 200,000
	MaxSpans  int           // spans, and attempts, kept per trace; default 1,000
	OpenLimit time.Duration // an operation that is never closed is given up; default 15m
	Expect    []string      // services that must appear connected; a trace waits for them
	// Learning is how long, from the first trace on, every HTTP call of a service is
	// waited for, as nobody knows yet which of them reach one that sends spans.
	// Default 0.
	Learning time.Duration
}

func (c Config) withDefaults() Config {
	if c.Settle == 0 {
		c.Settle = 10 * time.Second
	}
	if c.Linger == 0 {
		c.Linger = 500 * time.Millisecond
	}
	if c.MaxTraces == 0 {
		c.MaxTraces = 200_000
	}
	if c.MaxSpans == 0 {
		c.MaxSpans = 1_000
	}
	if c.OpenLimit == 0 {
		c.OpenLimit = 15 * time.Minute
	}
	return c
}

// Validate reports the first bound that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Settle < 0 || c.Linger < 0 || c.OpenLimit < 0:
		return fmt.Errorf("settle, linger and open limit must be above 0, got %s, %s and %s",
			c.Settle, c.Linger, c.OpenLimit)
	case c.MaxTraces < 1 || c.MaxSpans < 1:
		return fmt.Errorf("maxTraces and maxSpans must be 1 or more, got %d and %d",
			c.MaxTraces, c.MaxSpans)
	}
	return nil
}

// Reason says why a trace has settled.
type Reason uint8

const (
	// ReasonComplete means that everything due has arrived.
	ReasonComplete Reason = iota
	// ReasonTimeout means that the settle time has passed.
	ReasonTimeout
	// ReasonEvicted means that too many traces were open.
	ReasonEvicted
	// ReasonInterrupted means that the run ended before the trace settled.
	ReasonInterrupted
	// ReasonPartial means that the source of spans could not tell.
	ReasonPartial
)

// Trace is a settled trace. It belongs to the receiver, who may give it back with
// [Store.Recycle], unless [Store.Settle] only lent it.
type Trace struct {
	ID       tracecontext.TraceID
	Attempts []span.Attempt
	// Spans have this trace id, each one once, in order of arrival.
	Spans []span.Record
	// Claimed are SERVER and CONSUMER spans of other traces that name an attempt
	// of this one.
	Claimed []span.Record
	// Roots are SERVER spans that began a trace of their own, name nobody, and
	// fit an attempt of this trace that got no answer: one each at most.
	Roots []Root
	// Served says, in a trace of which a span was lost, who serves such requests as
	// the attempts, as far as it is known.
	Served      []Served
	Reason      Reason
	Detail      string        // why a partial or interrupted trace is undecided
	Redelivered int           // spans that came again
	Truncated   int           // spans beyond MaxSpans, which are not in Spans
	SettleTime  time.Duration // from the last attempt's end to settling; 0 without attempts

	home *entry // whose memory it is in part; nil when it has none
}

// Waited reports whether SettleTime tells how long spans were waited for: not
// for a trace without attempts, nor for one that settled early or of which the
// source could not tell.
func (t *Trace) Waited() bool {
	return t.SettleTime > 0 && (t.Reason == ReasonComplete || t.Reason == ReasonTimeout)
}

// Root is a SERVER span offered to the attempt with that index.
type Root struct {
	Attempt int
	Record  span.Record
}

// Served names a service that the attempt with that index can have gone to, by
// what became of others like it.
type Served struct {
	Attempt int
	Service string
}

// Stats counts what a store has seen. All but Open only grow.
type Stats struct {
	Open        int    // traces held now
	Attempts    uint64 // attempts taken
	Spans       uint64 // spans taken, in all their fates below
	Foreign     uint64 // spans of traces that are not ours and claim none
	Redelivered uint64 // spans that came again
	Late        uint64 // spans of a trace that had settled
	Truncated   uint64 // spans beyond MaxSpans of their trace
	Settled     uint64 // traces given back
	Evicted     uint64 // of those, for want of room
}
