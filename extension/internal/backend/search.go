package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Wanted is an attempt without a SERVER span in its own trace. When a service
// lost its context and began another trace, the User-Agent of the SERVER span
// there names it.
type Wanted struct {
	Claim   tracecontext.Correlation // names the attempt
	Agent   string                   // the whole User-Agent that was sent with it
	Service string                   // that most likely handled it; empty when unknown
	Start   time.Time                // of the attempt
}

// Searcher is a source that can be searched for spans by their User-Agent.
type Searcher interface {
	// Search returns the SERVER and CONSUMER spans of other traces that claim
	// one of the attempts, which are all of one trace. An error means that some
	// may have been left out; the spans returned with it are valid.
	Search(ctx context.Context, wanted []Wanted) ([]span.Record, error)
}

// Bounds of a search. A service's clock may be off by searchSlack at most.
const (
	searchSlack  = 2 * time.Hour
	searchTraces = 20 // traces that one query may return
)

// agentAttributes are the names that instrumentations give to the User-Agent.
func agentAttributes() []string { return []string{"user_agent.original", "http.user_agent"} }

// window is the time in which the spans of the attempts began, by any
// service's clock.
func window(wanted []Wanted) (from, to time.Time) {
	from = wanted[0].Start
	for i := range wanted {
		if wanted[i].Start.Before(from) {
			from = wanted[i].Start
		}
	}
	return from.Add(-searchSlack), time.Now().Add(searchSlack)
}

// claimed keeps the spans that claim one of the attempts from another trace.
func claimed(records []span.Record, wanted []Wanted) []span.Record {
	var out []span.Record
	for i := range records {
		r := &records[i]
		if !r.Handles() || !r.Misplaced() {
			continue
		}
		for j := range wanted {
			if r.Claim == wanted[j].Claim {
				out = append(out, *r)
				break
			}
		}
	}
	return out
}

// parseTraceID reads a trace id as search results have it: some backends leave
// leading zeros out.
func parseTraceID(text string) (id tracecontext.TraceID, err error) {
	const digits = 32
	if len(text) < digits {
		text = strings.Repeat("0", digits-len(text)) + text
	}
	err = id.UnmarshalText([]byte(text))
	if err == nil && id.IsZero() {
		err = errors.New("a trace id of all zeros")
	}
	return id, err
}

// collect fetches traces that a search has found and returns what in them
// claims one of the attempts.
func collect(
	ctx context.Context, src Source, ids []tracecontext.TraceID, wanted []Wanted,
) ([]span.Record, error) {
	var found []span.Record
	var errs []error
	for _, id := range ids {
		if id == wanted[0].Claim.TraceID {
			continue
		}
		records, _, err := src.Fetch(ctx, id)
		found = append(found, claimed(records, wanted)...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return found, errors.Join(errs...)
}

// searchError says that the search for restarted traces failed, and why.
func searchError(source string, err error) error {
	return fmt.Errorf("%s: searching for a restarted trace: %w", source, err)
}
