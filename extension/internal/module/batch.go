package module

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
)

// entryHeader tells the transport which entry of a batch a request belongs to.
// It is removed before the request is sent and from the response's request.
const entryHeader = "X-Continuity-Batch-Entry"

// entry is one request of a batch.
type entry struct {
	*send
	key     string // its place in the script's array or object
	request any    // in k6's exported form, with the entry header
	backoff time.Duration
	resp    *k6http.Response
}

// batch is http.batch(requests): an array or an object of requests.
func (c *client) batch(call sobek.FunctionCall) sobek.Value {
	if c.instance.vu.State() == nil || len(call.Arguments) != 1 {
		return c.nativeBatch(call.Arguments)
	}
	requests, keys, ok := batchRequests(call.Argument(0).Export())
	if !ok {
		return c.nativeBatch(call.Arguments) // k6's own error about the argument
	}
	entries := make([]*entry, len(keys))
	for i, key := range keys {
		e, err := c.beginEntry(key, requests[i], i)
		if err != nil {
			throw(c.instance.vu, fmt.Errorf("batch request %s: %w", key, err))
		}
		entries[i] = e
	}
	err := c.runBatch(entries)
	for _, e := range entries {
		e.op.End(err)
	}
	if err != nil {
		throw(c.instance.vu, err)
	}
	return c.batchResult(call.Argument(0).Export(), entries)
}

func (c *client) nativeBatch(args []sobek.Value) sobek.Value {
	result, err := c.native.batch(args...)
	if err != nil {
		throw(c.instance.vu, err)
	}
	return c.instance.vu.Runtime().ToValue(result)
}

// batchRequests lists the entries of a batch in a stable order.
func batchRequests(exported any) (requests []any, keys []string, ok bool) {
	switch v := exported.(type) {
	case []any:
		for i := range v {
			keys = append(keys, strconv.Itoa(i))
		}
		return v, keys, true
	case map[string]any:
		for key, request := range v {
			keys, requests = append(keys, key), append(requests, request)
		}
		return requests, keys, true
	default:
		return nil, nil, false
	}
}

// beginEntry starts the operation of one entry. An entry that k6 will refuse
// is passed on as it is, so that the error is k6's own.
func (c *client) beginEntry(key string, request any, i int) (*entry, error) {
	rt := c.instance.vu.Runtime()
	method, target, params, rebuilt := markEntry(request, strconv.Itoa(i))
	var paramsValue sobek.Value
	if params != nil {
		paramsValue = rt.ToValue(params)
	}
	s, err := c.begin(method, rt.ToValue(target), paramsValue)
	if err != nil {
		return nil, err
	}
	return &entry{send: s, key: key, request: rebuilt}, nil
}

// markEntry reads the method, URL and params of an entry in any of k6's forms
// and returns a copy of the entry with the entry header.
func markEntry(request any, mark string) (method string, target any, params map[string]any, rebuilt any) {
	method = http.MethodGet
	switch v := request.(type) {
	case []any:
		if len(v) < 2 {
			return method, nil, nil, request
		}
		method, _ = v[0].(string)
		fields := make([]any, max(len(v), 4))
		copy(fields, v)
		params, _ = fields[3].(map[string]any)
		fields[3] = withMark(params, mark)
		return method, v[1], params, fields
	case map[string]any:
		if m, ok := v["method"].(string); ok {
			method = strings.ToUpper(m)
		}
		params, _ = v["params"].(map[string]any)
		fields := maps.Clone(v)
		fields["params"] = withMark(params, mark)
		return method, v["url"], params, fields
	default:
		return method, request, nil, map[string]any{"url": request, "params": withMark(nil, mark)}
	}
}

func withMark(params map[string]any, mark string) map[string]any {
	marked := maps.Clone(params)
	if marked == nil {
		marked = make(map[string]any)
	}
	headers, _ := marked["headers"].(map[string]any)
	headers = maps.Clone(headers)
	if headers == nil {
		headers = make(map[string]any)
	}
	headers[entryHeader] = mark
	marked["headers"] = headers
	return marked
}

// runBatch sends all entries, then again those that the retry policy wants,
// until none is left. It returns k6's first error.
func (c *client) runBatch(entries []*entry) error {
	pending := entries
	for {
		transports := make(map[string]http.RoundTripper, len(pending))
		requests := make([]any, len(pending))
		for i, e := range pending {
			requests[i] = e.request
			e.hooks.before(e.send)
			e.attempts++
			e.labels.phase = c.instance.run.phase()
			transports[entryMark(e.request)] = e.transport(e.attempts, e.backoff)
		}
		responses, err := c.sendBatch(requests, transports)
		if err != nil && len(responses) == 0 {
			return err
		}
		for i, e := range pending {
			e.receive(responses[i])
		}
		var wait time.Duration
		again := pending[:0:0]
		for _, e := range pending {
			if w, ok := e.next(outcomeOf(e.resp, nil)); ok {
				wait = max(wait, w)
				again = append(again, e)
			}
		}
		if len(again) == 0 || !again[0].wait(wait) {
			return err
		}
		for _, e := range again {
			e.backoff = wait
		}
		pending = again
	}
}

// receive takes k6's response; it is nil behind an entry that k6 refused.
func (e *entry) receive(resp *k6http.Response) {
	e.resp = resp
	if resp != nil && resp.Response != nil && resp.Request != nil {
		delete(resp.Request.Headers, entryHeader)
	}
	e.hooks.after(e.send, resp, nil)
}

func entryMark(request any) string {
	var params any
	switch v := request.(type) {
	case []any:
		params = v[3]
	case map[string]any:
		params = v["params"]
	}
	fields, _ := params.(map[string]any)
	headers, _ := fields["headers"].(map[string]any)
	mark, _ := headers[entryHeader].(string)
	return mark
}

// sendBatch runs one k6 batch whose requests find their transports by mark.
func (c *client) sendBatch(
	requests []any, transports map[string]http.RoundTripper,
) (responses []*k6http.Response, err error) {
	transport := roundTripper(func(req *http.Request) (*http.Response, error) {
		inner := transports[req.Header.Get(entryHeader)]
		if inner == nil {
			return nil, fmt.Errorf("%w: a batch request lost its entry header", errUnknownK6)
		}
		sent := req.Clone(req.Context())
		sent.Header.Del(entryHeader)
		return inner.RoundTrip(sent)
	})
	var result any
	c.vu.enter(transport, func() {
		result, err = c.native.batch(c.instance.vu.Runtime().ToValue(requests))
	})
	responses, _ = result.([]*k6http.Response)
	if err == nil && len(responses) != len(requests) {
		err = fmt.Errorf("%w: http.batch returned %T", errUnknownK6, result)
	}
	return responses, err
}

// batchResult has the shape of the argument: an array or an object.
func (c *client) batchResult(argument any, entries []*entry) sobek.Value {
	rt := c.instance.vu.Runtime()
	if _, isArray := argument.([]any); isArray {
		responses := make([]*Response, len(entries))
		for i, e := range entries {
			responses[i] = newResponse(e.resp, e.op, e.attempts)
		}
		return rt.ToValue(responses)
	}
	responses := make(map[string]*Response, len(entries))
	for _, e := range entries {
		if e.resp != nil {
			responses[e.key] = newResponse(e.resp, e.op, e.attempts)
		}
	}
	return rt.ToValue(responses)
}
