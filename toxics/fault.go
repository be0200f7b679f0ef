package toxics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// fault is what a toxic does to the requests that its selector chose.
type fault interface {
	validate() error
	// mode is shown with the counters; the mark of an exchange may say more.
	mode() string
	// request acts when the request's head is whole, before it is sent on. The
	// key tells this choice of the selector from its others.
	request(x *exchange, r *rule, key uint64)
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
	case "http_script":
		return &scriptFault{Timeout: defaultTimeout}, nil
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
		if err := decoder.Decode(target); err != nil || string(fields[name]) == "null" {
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

// checkHeader reports a header that a toxic cannot set, remove or damage. What
// delimits the message is none of its business: the two sides would read the
// connection differently from there on.
func checkHeader(attribute, name, value string) error {
	if !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
		return fmt.Errorf("%s must have header names and values without line breaks, got %q: %q",
			attribute, name, value)
	}
	if strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding") {
		return fmt.Errorf("%s must not name %s, which delimits the body", attribute, name)
	}
	return nil
}
