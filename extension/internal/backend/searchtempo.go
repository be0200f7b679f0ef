package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// Search asks once, by TraceQL, for traces with a span whose User-Agent names
// an attempt of this trace: https://grafana.com/docs/tempo/latest/traceql/.
func (t *Tempo) Search(ctx context.Context, wanted []Wanted) ([]span.Record, error) {
	own := wanted[0].Claim.TraceID
	from, to := window(wanted)
	body, err := t.get(ctx, "/api/search", url.Values{
		"q": {tempoQuery(own)}, "limit": {strconv.Itoa(searchTraces)},
		"start": {strconv.FormatInt(from.Unix(), 10)},
		"end":   {strconv.FormatInt(to.Unix(), 10)},
	}.Encode(), "application/json", "json")
	if err != nil {
		return nil, searchError("tempo", err)
	}
	ids, whole, err := parseTempoSearch(body)
	if err != nil {
		return nil, searchError("tempo", err)
	}
	found, err := collect(ctx, t, ids, wanted)
	switch {
	case err != nil:
		return found, searchError("tempo", err)
	case !whole || len(ids) >= searchTraces:
		return found, searchError("tempo", errors.New("the answer is not whole"))
	default:
		return found, nil
	}
}

// tempoQuery selects spans whose User-Agent names an attempt of a trace. The
// ids are hexadecimal digits, so nothing needs quoting.
func tempoQuery(id tracecontext.TraceID) string {
	var terms []string
	for _, attribute := range agentAttributes() {
		terms = append(terms, "span."+attribute+` =~ ".*continuity/`+id.String()+`-.*"`)
	}
	return "{ " + strings.Join(terms, " || ") + " }"
}

// parseTempoSearch reads the ids of an answer to a search. It is whole when all
// of its jobs were done.
func parseTempoSearch(body []byte) (ids []tracecontext.TraceID, whole bool, err error) {
	var answer struct {
		Traces []struct {
			TraceID string `json:"traceID"`
		} `json:"traces"`
		Metrics *struct {
			CompletedJobs int `json:"completedJobs"`
			TotalJobs     int `json:"totalJobs"`
		} `json:"metrics"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, false, fmt.Errorf("reading answer: %w", err)
	}
	if answer.Metrics == nil && answer.Traces == nil {
		return nil, false, fmt.Errorf("the answer is not Tempo's: %s", excerpt(body))
	}
	for _, found := range answer.Traces {
		id, err := parseTraceID(found.TraceID)
		if err != nil {
			return nil, false, fmt.Errorf("reading answer: %w", err)
		}
		ids = append(ids, id)
	}
	whole = answer.Metrics == nil || answer.Metrics.CompletedJobs >= answer.Metrics.TotalJobs
	return ids, whole, nil
}
