package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// servicesFor is how long Jaeger's list of services is taken for current.
const servicesFor = 2 * time.Second

// services is the list of services that a Jaeger knows, and which of their
// attributes holds the User-Agent, as far as that was seen.
type services struct {
	mu    sync.Mutex
	names []string
	asked time.Time
	agent map[string]string
}

// Search asks, service by service, for traces with a span that has exactly the
// attempt's User-Agent: Jaeger finds a tag by its whole value, and only within a
// service. The service that most likely handled the attempt comes first, and the
// search ends with the first one that did.
//
// It uses the query of Jaeger's own page, /api/traces, to find the ids: the
// search of api_v3 knows no tags over HTTP. Two queries per service at most are
// made for an attempt, until ctx ends.
func (j *Jaeger) Search(ctx context.Context, wanted []Wanted) ([]span.Record, error) {
	names, err := j.serviceNames(ctx)
	if err != nil {
		return nil, searchError("jaeger", err)
	}
	var found []span.Record
	for i := range wanted {
		records, err := j.searchOne(ctx, wanted[i:i+1], names)
		found = append(found, records...)
		if err != nil {
			return found, searchError("jaeger", err)
		}
	}
	return found, nil
}

func (j *Jaeger) searchOne(
	ctx context.Context, wanted []Wanted, names []string,
) ([]span.Record, error) {
	for _, name := range first(names, wanted[0].Service) {
		for _, attribute := range j.services.attributes(name) {
			ids, err := j.find(ctx, name, attribute, wanted)
			if err != nil {
				return nil, fmt.Errorf("service %q: %w", excerpt([]byte(name)), err)
			}
			found, err := collect(ctx, j, ids, wanted)
			if len(found) > 0 {
				j.services.learn(name, attribute)
			}
			if err != nil || len(found) > 0 {
				return found, err
			}
			if len(ids) >= searchTraces {
				return nil, fmt.Errorf("service %q: more than %d traces have the User-Agent",
					excerpt([]byte(name)), searchTraces)
			}
		}
	}
	return nil, nil
}

// first puts one name, if there is one, before the others.
func first(names []string, name string) []string {
	if name == "" {
		return names
	}
	out := append(make([]string, 0, len(names)+1), name)
	for _, n := range names {
		if n != name {
			out = append(out, n)
		}
	}
	return out
}

// attributes are those to look for the User-Agent in, the likelier first.
func (s *services) attributes(service string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return first(agentAttributes(), s.agent[service])
}

// learn remembers which attribute of a service holds the User-Agent.
func (s *services) learn(service, attribute string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agent == nil {
		s.agent = make(map[string]string)
	}
	s.agent[service] = attribute
}

// serviceNames is the list of services, asked for now and then.
func (j *Jaeger) serviceNames(ctx context.Context) ([]string, error) {
	s := &j.services
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asked) < servicesFor {
		return s.names, nil
	}
	body, err := j.get(ctx, "/api/v3/services", "", "application/json", "")
	if err != nil {
		return nil, fmt.Errorf("asking for its services: %w", err)
	}
	var answer struct {
		Services []string `json:"services"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading its services: %w", err)
	}
	s.names, s.asked = answer.Services, time.Now()
	return s.names, nil
}

// find returns the ids of the traces of a service that have a span with the
// attempt's User-Agent.
func (j *Jaeger) find(
	ctx context.Context, service, attribute string, wanted []Wanted,
) ([]tracecontext.TraceID, error) {
	tags, err := json.Marshal(map[string]string{attribute: wanted[0].Agent})
	if err != nil {
		return nil, err
	}
	from, to := window(wanted)
	body, err := j.get(ctx, "/api/traces", url.Values{
		"service": {service}, "tags": {string(tags)}, "limit": {strconv.Itoa(searchTraces)},
		"start": {strconv.FormatInt(from.UnixMicro(), 10)},
		"end":   {strconv.FormatInt(to.UnixMicro(), 10)},
	}.Encode(), "application/json", "")
	if err != nil {
		return nil, err
	}
	return parseJaegerSearch(body)
}

// parseJaegerSearch reads the ids of an answer to a search. Errors within an
// answer mean that it is not whole.
func parseJaegerSearch(body []byte) ([]tracecontext.TraceID, error) {
	var answer struct {
		Data *[]struct {
			TraceID string `json:"traceID"`
		} `json:"data"`
		Errors []struct {
			Msg string `json:"msg"`
		} `json:"errors"`
	}
	switch err := json.Unmarshal(body, &answer); {
	case err != nil:
		return nil, fmt.Errorf("reading answer: %w", err)
	case len(answer.Errors) > 0:
		return nil, errors.New(excerpt([]byte(answer.Errors[0].Msg)))
	case answer.Data == nil:
		return nil, fmt.Errorf("the answer is not Jaeger's: %s", excerpt(body))
	}
	ids := make([]tracecontext.TraceID, 0, len(*answer.Data))
	for _, found := range *answer.Data {
		id, err := parseTraceID(found.TraceID)
		if err != nil {
			return nil, fmt.Errorf("reading answer: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
