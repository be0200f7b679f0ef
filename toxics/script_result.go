package toxics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// scriptResult is what a script's function returned: the fault that it wants.
type scriptResult struct {
	Status     int             `json:"status"`
	Body       text            `json:"body"`
	Headers    map[string]text `json:"headers"`
	RetryAfter text            `json:"retryAfter"`
	Delay      float64         `json:"delay"` // milliseconds
	Reset      reset           `json:"reset"`
	Truncate   *int64          `json:"truncate"` // bytes that pass
	Corrupt    *int64          `json:"corrupt"`  // ditto
	Set        map[string]text `json:"set"`
	Remove     []string        `json:"remove"`
}

// text is a string or a number, which JavaScript's authors write for each other.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*t = text(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil {
		return errors.New("must be a string or a number")
	}
	*t = text(n)
	return nil
}

// reset is true, "before", "after" or a number of bytes.
type reset struct {
	when  string
	bytes int64
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *reset) UnmarshalJSON(raw []byte) error {
	switch value := strings.Trim(string(raw), `"`); value {
	case "false", "null":
		return nil
	case "true":
		r.when = "now"
		return nil
	case "before", "after":
		r.when = value
		return nil
	}
	if err := json.Unmarshal(raw, &r.bytes); err != nil || r.bytes < 0 {
		return fmt.Errorf(`reset must be true, "before", "after" or a number of bytes, got %s`,
			clipJSON(raw))
	}
	r.when = "body"
	return nil
}

// readResult reads a script's result strictly.
func readResult(object *goja.Object) (*scriptResult, error) {
	if err := checkDepth(object, maxResultDepth); err != nil {
		return nil, err
	}
	raw, err := object.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("reading what the script returned: %w", err)
	}
	result := &scriptResult{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(result); err != nil {
		return nil, fmt.Errorf("reading what the script returned, %s: %w", clipJSON(raw), err)
	}
	return result, nil
}

// maxResultDepth is that of an object of objects of texts, which may be objects.
const maxResultDepth = 3

// checkDepth refuses objects in objects beyond what a result can have. Their text
// could be far longer than they are.
func checkDepth(object *goja.Object, depth int) error {
	if depth == 0 {
		return errors.New("script must return an object whose fields are flat, got a deeper one")
	}
	for _, key := range object.Keys() {
		if inner, ok := object.Get(key).(*goja.Object); ok {
			if err := checkDepth(inner, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// onRequest does what onRequest returned.
func (s *scriptResult) onRequest(x *exchange, r *rule, key uint64) {
	if s.Reset.when == "now" {
		s.Reset.when = "before"
	}
	s.apply(x, r, key, "request", "abort")
}

// onResponse does what onResponse returned. The service has seen the request, so
// a reset before it is one before the response.
func (s *scriptResult) onResponse(x *exchange, r *rule, key uint64) {
	if s.Reset.when == "now" || s.Reset.when == "before" {
		s.Reset.when = "after"
	}
	s.apply(x, r, key, "response", "replace")
}

// apply lets the other toxics do what the script wants, as one of its faults.
// Nothing is done if any of it is wrong.
func (s *scriptResult) apply(x *exchange, r *rule, key uint64, side, statusMode string) {
	faults := make([]fault, 0, 4)
	if s.Delay != 0 {
		faults = append(faults, &latencyFault{On: side, Latency: int(s.Delay)})
	}
	if len(s.Set)+len(s.Remove) > 0 {
		faults = append(faults, &headerFault{On: side, Set: texts(s.Set), Remove: s.Remove})
	}
	if s.Status != 0 {
		faults = append(faults, &statusFault{
			Status: s.Status, Mode: statusMode, Body: string(s.Body),
			Headers: texts(s.Headers), RetryAfter: string(s.RetryAfter),
		})
	}
	if s.Reset.when != "" {
		faults = append(faults, &resetFault{When: s.Reset.when, Bytes: s.Reset.bytes})
	}
	if s.Truncate != nil {
		faults = append(faults, &bodyFault{Mode: "truncate", Bytes: *s.Truncate})
	}
	if s.Corrupt != nil {
		faults = append(faults, &bodyFault{Mode: "corrupt", Bytes: *s.Corrupt})
	}
	for _, f := range faults {
		if err := f.validate(); err != nil {
			r.counts.fail(fmt.Errorf("script: %w", err))
			return
		}
	}
	for _, f := range faults {
		f.request(x, r, key)
	}
}

func texts(in map[string]text) map[string]string {
	out := make(map[string]string, len(in))
	for name, value := range in {
		out[name] = string(value)
	}
	return out
}
