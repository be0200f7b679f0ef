package toxics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// fault is what a toxic does to the requests that its selector chose.
type fault interface {
	validate() error
	// mode is shown with the counters; the mark of an exchange may say more.
	mode() string
	// request acts when the request's head is whole, before it is sent on.
	request(x *exchange, r *rule)
}

// exchange is one request and its response on one connection.
type exchange struct {
	method string
	head   *httpstream.Head
	hits   []*rule

	requestDelay  time.Duration
	responseDelay time.Duration
	answer        *answer // in place of the response
	abort         bool    // the service must not see the request
	editResponse  []func(*httpstream.Head)
	marks         []string
	cut           cut
	onInjected    []*rule // counted when the response half has done its part
}

// cut says where a connection or a body ends early.
type cut struct {
	kind  cutKind
	after int64 // bytes of the response body that still pass
	rule  *rule
}

type cutKind uint8

const (
	noCut cutKind = iota
	resetBefore
	resetAfterRequest
	resetInBody
	truncateBody
	corruptBody
)

// answer is a response that a toxic makes.
type answer struct {
	status  int
	headers map[string]string
	body    string
}

// inject counts the fault as done and marks the response.
func (x *exchange) inject(r *rule, mode string) {
	r.counts.injected.Add(1)
	x.marks = append(x.marks, r.mark(mode))
}

func newFault(kind string) (fault, error) {
	switch kind {
	case "http_status":
		return &statusFault{Status: 503, Mode: "abort"}, nil
	case "http_latency":
		return &latencyFault{On: "response"}, nil
	case "http_header":
		return &headerFault{On: "request"}, nil
	case "http_reset":
		return &resetFault{When: "before"}, nil
	case "http_body":
		return &bodyFault{Mode: "truncate"}, nil
	default:
		return nil, fmt.Errorf(
			"toxic type must be one of %s, got %q",
			strings.Join(Types(), ", "),
			kind,
		)
	}
}

// decode fills the fault and the selector from one flat object. Fields that
// neither has are an error, as are wrong types.
func decode(kind string, fields map[string]json.RawMessage, f fault, s *Selector) error {
	known := make(map[string]any)
	for _, target := range []any{f, s} {
		for name, index := range jsonFields(target) {
			known[name] = reflect.ValueOf(target).Elem().Field(index).Addr().Interface()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		target, ok := known[name]
		if !ok {
			return fmt.Errorf("%s: %s is not an attribute; accepted are %s",
				kind, name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		decoder := json.NewDecoder(bytes.NewReader(fromText(target, fields[name])))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(target); err != nil {
			return fmt.Errorf("%s: %s must be %s, got %s",
				kind, name, typeName(reflect.TypeOf(target).Elem()), clipJSON(fields[name]))
		}
	}
	return nil
}

// fromText turns what toxiproxy's command line sends into what was meant: it
// has only numbers and strings for values. A number where a string is due
// becomes its text, and a string where something else is due the JSON in it.
func fromText(target any, value json.RawMessage) json.RawMessage {
	wantsText := reflect.TypeOf(target).Elem().Kind() == reflect.String
	var text string
	isText := json.Unmarshal(value, &text) == nil && string(value) != "null"
	switch {
	case wantsText && !isText:
		if number := json.Number(value); strings.Trim(string(number), "-+.eE0123456789") == "" {
			return fmt.Appendf(nil, "%q", string(number))
		}
	case isText && !wantsText && json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	return value
}

// attributes shows a rule's attributes with their defaults.
func (r *rule) attributes() json.RawMessage {
	all := make(map[string]json.RawMessage)
	for _, part := range []any{r.fault, &r.picker.selector} {
		text, err := json.Marshal(part)
		if err == nil {
			err = json.Unmarshal(text, &all)
		}
		if err != nil { // plain data that was decoded from JSON
			return json.RawMessage("{}")
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return json.RawMessage("{}")
	}
	return text
}

func jsonFields(target any) map[string]int {
	t := reflect.TypeOf(target).Elem()
	out := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			out[name] = i
		}
	}
	return out
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number, 0 or more"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array of strings"
	case reflect.Map:
		return "an object of strings"
	default:
		return "an object with fields " + strings.Join(
			slices.Sorted(maps.Keys(jsonFields(reflect.New(t).Interface()))),
			", ",
		)
	}
}

func clipJSON(raw []byte) string {
	if len(raw) > 80 {
		return string(raw[:80]) + "…"
	}
	return string(raw)
}

// oneOf reports a value that is not among the accepted ones.
func oneOf(attribute, value string, accepted ...string) error {
	if slices.Contains(accepted, value) {
		return nil
	}
	return fmt.Errorf(
		"%s must be one of %s, got %q",
		attribute,
		strings.Join(accepted, ", "),
		value,
	)
}
