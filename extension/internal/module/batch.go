package module

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
)

// entry is one request of a batch.
type entry struct {
	*send
	place   place
	request any // as the script wrote it, in Go's form
	backoff time.Duration
	resp    *k6http.Response
	err     error // what k6 throws for the last attempt, instead of a response
}

// place is where an entry stands in the script's array or object.
type place struct {
	index int
	key   string // of an object; empty in an array
}

// batch is http.batch(requests): an array or an object of requests.
func (c *client) batch(call sobek.FunctionCall) sobek.Value {
	if c.instance.vu.State() == nil || len(call.Arguments) != 1 {
		return c.nativeBatch(call.Arguments)
	}
	requests := call.Argument(0).Export()
	entries, err := c.beginEntries(requests)
	if err != nil {
		throw(c.instance.vu, err)
	}
	if entries == nil {
		return c.nativeBatch(call.Arguments) // k6's own error about the argument
	}
	defer func() {
		for _, e := range entries {
			e.op.End(failure(e.resp, e.err))
		}
	}()
	_, isArray := requests.([]any)
	b := &batch{client: c, isArray: isArray}
	if err = b.run(entries); err != nil {
		throw(c.instance.vu, err)
	}
	return b.result(entries)
}

func (c *client) nativeBatch(args []sobek.Value) sobek.Value {
	result, err := c.native.batch(args...)
	if err != nil {
		throw(c.instance.vu, err)
	}
	return c.instance.vu.Runtime().ToValue(result)
}

// beginEntries starts an operation per entry; it returns nil for an argument
// that is neither an array nor an object. After an error, or an interruption in a
// URL filter, the operations that were started are over.
func (c *client) beginEntries(requests any) (all []*entry, err error) {
	begun := []*entry{}
	defer func() {
		if all == nil {
			for _, e := range begun {
				e.op.End(nil)
			}
		}
	}()
	switch requests := requests.(type) {
	case []any:
		for i, request := range requests {
			e, err := c.beginEntry(place{index: i}, request)
			if err != nil {
				return nil, fmt.Errorf("batch request %d: %w", i, err)
			}
			begun = append(begun, e)
		}
	case map[string]any:
		for key, request := range requests {
			e, err := c.beginEntry(place{key: key}, request)
			if err != nil {
				return nil, fmt.Errorf("batch request %s: %w", key, err)
			}
			begun = append(begun, e)
		}
	default:
		return nil, nil
	}
	return begun, nil
}

// beginEntry starts the operation of one entry. An entry that k6 will refuse
// is passed on as it is, so that the error is k6's own.
func (c *client) beginEntry(at place, request any) (*entry, error) {
	rt := c.instance.vu.Runtime()
	method, target, params := readEntry(request)
	var paramsValue sobek.Value
	if params != nil {
		paramsValue = rt.ToValue(params)
	}
	s, err := c.begin(method, rt.ToValue(target), paramsValue, true)
	if err != nil {
		return nil, err
	}
	return &entry{send: s, place: at, request: request}, nil
}

// readEntry reads an entry in any of k6's forms.
func readEntry(request any) (method string, target any, params map[string]any) {
	method, target = http.MethodGet, request
	switch v := request.(type) {
	case []any:
		target = nil
		if len(v) > 1 {
			method, _ = v[0].(string)
			target = v[1]
		}
		if len(v) > 3 {
			params, _ = v[3].(map[string]any)
		}
	case map[string]any:
		target = v["url"]
		if m, ok := v["method"].(string); ok {
			method = strings.ToUpper(m)
		}
		params, _ = v["params"].(map[string]any)
	}
	return method, target, params
}

// batch is one call of http.batch.
type batch struct {
	client  *client
	isArray bool
}

// run sends all entries, then again those that the retry policy wants, until
// none is left. It returns the error of an entry whose last attempt has one.
func (b *batch) run(entries []*entry) error {
	ctx := b.client.instance.vu.Context()
	for pending := entries; ; {
		for _, e := range pending {
			e.hooks.before(e.send)
		}
		b.send(pending)
		for _, e := range pending {
			e.hooks.after(e.send, e.resp, e.err)
		}
		if pending = retried(pending); len(pending) == 0 {
			return firstError(entries)
		}
		for _, e := range entries { // the others wait as well
			e.op.HandOver()
		}
		if !wait(ctx, pending[0].backoff) {
			return firstError(entries)
		}
	}
}

func firstError(entries []*entry) error {
	for _, e := range entries {
		if e.err != nil {
			return e.err
		}
	}
	return nil
}

// retried returns the entries to be sent again. They wait together, for as
// long as the one that has to wait longest.
func retried(entries []*entry) (again []*entry) {
	var longest time.Duration
	for _, e := range entries {
		if backoff, ok := e.next(outcomeOf(e.resp, e.err)); ok {
			longest = max(longest, backoff)
			again = append(again, e)
		}
	}
	for _, e := range again {
		e.backoff = longest
	}
	return again
}

// send runs one k6 batch with the entries and keeps their responses and errors.
func (b *batch) send(entries []*entry) {
	router := make(batchRouter, len(entries))
	requests := b.requests(entries, router)
	c := b.client
	result, err := c.batchThrough(router, requests)
	switch responses := result.(type) {
	case []*k6http.Response:
		for i, e := range entries {
			e.receive(responses[i])
		}
	case map[string]*k6http.Response:
		for _, e := range entries {
			e.receive(responses[e.place.key])
		}
	default:
		if err == nil {
			err = fmt.Errorf("%w: http.batch returned a %T", errUnknownK6, result)
		}
	}
	for _, e := range entries {
		e.fail(err)
	}
}

// fail takes the error of a k6 batch for that of the entry if the entry has one: k6
// fills in no response then, and of several errors it returns the first.
func (e *entry) fail(err error) {
	e.err = nil
	if e.resp == nil || e.resp.Response == nil || e.resp.Request == nil {
		e.err = err
	}
}

func (c *client) batchThrough(router batchRouter, requests any) (any, error) {
	defer c.vu.leave(c.vu.enter(router))
	return c.native.batch(c.instance.vu.Runtime().ToValue(requests))
}

// requests is the argument of k6's own batch, of the same shape as the script's.
func (b *batch) requests(entries []*entry, router batchRouter) any {
	list := make([]any, len(entries))
	object := make(map[string]any, len(entries))
	for i, e := range entries {
		list[i] = router.add(e)
		object[e.place.key] = list[i]
	}
	if b.isArray {
		return list
	}
	return object
}

// receive takes k6's response; it is nil behind an entry that k6 refused.
func (e *entry) receive(resp *k6http.Response) {
	e.resp = resp
	if resp != nil && resp.Response != nil && resp.Request != nil {
		delete(resp.Request.Headers, entryHeader)
	}
}

// result has the shape of the argument: an array or an object.
func (b *batch) result(entries []*entry) sobek.Value {
	rt := b.client.instance.vu.Runtime()
	if b.isArray {
		responses := make([]*Response, len(entries))
		for i, e := range entries {
			responses[i] = e.response(e.resp)
		}
		return rt.ToValue(responses)
	}
	responses := make(map[string]*Response, len(entries))
	for _, e := range entries {
		if e.resp != nil {
			responses[e.place.key] = e.response(e.resp)
		}
	}
	return rt.ToValue(responses)
}

// batchRouter sends the round trips of one k6 batch through the transports of
// their entries. It is read by all the goroutines of the batch.
type batchRouter map[*url.URL]http.RoundTripper

// RoundTrip finds the entry by the URL value that the first request of a chain
// of redirects was made with.
func (r batchRouter) RoundTrip(req *http.Request) (*http.Response, error) {
	if mark := req.Header.Get(entryHeader); mark != "" {
		return r.marked(mark, req)
	}
	first := req
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	transport := r[first.URL]
	if transport == nil {
		return nil, fmt.Errorf("%w: a batch request has lost its URL", errUnknownK6)
	}
	return transport.RoundTrip(req)
}
