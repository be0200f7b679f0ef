package module

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
)

// options reads one JavaScript options object strictly: every field is read by
// name with its type, and [options.done] reports the first problem or a field
// that nobody asked for. Errors name the full path of the option.
type options struct {
	path   string
	values map[string]any
	object *sobek.Object
	known  []string
	err    error
}

// readOptions opens value, which must be an object, or null or undefined for
// an empty one. The path, such as "configure" or "Client", starts each error.
func readOptions(rt *sobek.Runtime, path string, value sobek.Value) *options {
	o := &options{path: path}
	if common.IsNullish(value) {
		return o
	}
	object, isObject := value.(*sobek.Object)
	if isObject {
		_, isObject = object.Export().(map[string]any)
	}
	if !isObject {
		o.fail("", "must be an object", value.Export())
		return o
	}
	o.object = object
	o.values = make(map[string]any)
	for _, key := range object.Keys() {
		o.values[key] = object.Get(key).Export()
	}
	_ = rt
	return o
}

func (o *options) name(key string) string {
	if key == "" {
		return o.path
	}
	return o.path + "." + key
}

func (o *options) fail(key, accepted string, got any) {
	if o.err == nil {
		o.err = fmt.Errorf("%s %s, got %s", o.name(key), accepted, describe(got))
	}
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("%q", v)
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case func(sobek.FunctionCall) sobek.Value:
		return "a function"
	default:
		return fmt.Sprintf("%v", v)
	}
}

// lookup returns the value of key, and whether it is set to something.
func (o *options) lookup(key string) (any, bool) {
	o.known = append(o.known, key)
	v, ok := o.values[key]
	return v, ok && v != nil
}

func (o *options) has(key string) bool {
	v, ok := o.values[key]
	return ok && v != nil
}

func (o *options) str(key string, dst *string) {
	if v, ok := o.lookup(key); ok {
		s, isString := v.(string)
		if !isString {
			o.fail(key, "must be a string", v)
			return
		}
		*dst = s
	}
}

func (o *options) flag(key string, dst *bool) {
	if v, ok := o.lookup(key); ok {
		b, isBool := v.(bool)
		if !isBool {
			o.fail(key, "must be true or false", v)
			return
		}
		*dst = b
	}
}

func (o *options) number(key string, dst *float64) {
	if v, ok := o.lookup(key); ok {
		f, isNumber := toFloat(v)
		if !isNumber {
			o.fail(key, "must be a number", v)
			return
		}
		*dst = f
	}
}

func (o *options) integer(key string, dst *int) {
	if v, ok := o.lookup(key); ok {
		f, isNumber := toFloat(v)
		if !isNumber || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			o.fail(key, "must be a whole number", v)
			return
		}
		*dst = int(f)
	}
}

func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	default:
		return 0, false
	}
}

// duration accepts a string such as "1m30s" or a number of milliseconds.
func (o *options) duration(key string, dst *time.Duration) {
	v, ok := o.lookup(key)
	if !ok {
		return
	}
	const accepted = `must be a duration such as "10s" or a number of milliseconds, 0 or more`
	if ms, isNumber := toFloat(v); isNumber {
		if ms < 0 || ms > float64(math.MaxInt64/int64(time.Millisecond)) {
			o.fail(key, accepted, v)
			return
		}
		*dst = time.Duration(ms * float64(time.Millisecond))
		return
	}
	s, isString := v.(string)
	d, err := time.ParseDuration(s)
	if !isString || err != nil || d < 0 {
		o.fail(key, accepted, v)
		return
	}
	*dst = d
}

func (o *options) strings(key string, dst *[]string) {
	v, ok := o.lookup(key)
	if !ok {
		return
	}
	items, isArray := v.([]any)
	if s, isString := v.(string); isString {
		items, isArray = []any{s}, true
	}
	if !isArray {
		o.fail(key, "must be an array of strings", v)
		return
	}
	out := make([]string, 0, len(items))
	for i, item := range items {
		s, isString := item.(string)
		if !isString {
			o.fail(fmt.Sprintf("%s[%d]", key, i), "must be a string", item)
			return
		}
		out = append(out, s)
	}
	*dst = out
}

func (o *options) integers(key string, dst *[]int) {
	v, ok := o.lookup(key)
	if !ok {
		return
	}
	items, isArray := v.([]any)
	if !isArray {
		o.fail(key, "must be an array of whole numbers", v)
		return
	}
	out := make([]int, 0, len(items))
	for i, item := range items {
		f, isNumber := toFloat(item)
		if !isNumber || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			o.fail(fmt.Sprintf("%s[%d]", key, i), "must be a whole number", item)
			return
		}
		out = append(out, int(f))
	}
	*dst = out
}

// labels reads an object whose values are strings, numbers or booleans.
func (o *options) labels(key string, dst *map[string]string) {
	v, ok := o.lookup(key)
	if !ok {
		return
	}
	object, isObject := v.(map[string]any)
	if !isObject {
		o.fail(key, "must be an object of strings", v)
		return
	}
	out := make(map[string]string, len(object))
	for name, value := range object {
		switch value := value.(type) {
		case string, int64, float64, bool:
			out[name] = fmt.Sprint(value)
		default:
			o.fail(key+"."+name, "must be a string, a number or a boolean", value)
			return
		}
	}
	*dst = out
}

// object opens the nested object key; without one it opens an empty object.
func (o *options) nested(rt *sobek.Runtime, key string) *options {
	if _, ok := o.lookup(key); !ok {
		return &options{path: o.name(key)}
	}
	return readOptions(rt, o.name(key), o.object.Get(key))
}

// callable reads a function; nil when it is not set.
func (o *options) callable(key string) sobek.Callable {
	v, ok := o.lookup(key)
	if !ok {
		return nil
	}
	fn, isFunction := sobek.AssertFunction(o.object.Get(key))
	if !isFunction {
		o.fail(key, "must be a function", v)
	}
	return fn
}

// join takes over the first error of a nested object.
func (o *options) join(nested *options) {
	if o.err == nil {
		o.err = nested.done()
	}
}

// done returns the first problem met, or names a field that nobody read.
func (o *options) done() error {
	if o.err != nil {
		return o.err
	}
	for _, key := range slices.Sorted(maps.Keys(o.values)) {
		if !slices.Contains(o.known, key) {
			slices.Sort(o.known)
			return fmt.Errorf("%s is not an option; accepted are %s",
				o.name(key), strings.Join(slices.Compact(o.known), ", "))
		}
	}
	return nil
}

var errInitOnly = errors.New("must be called in the init context, outside of functions")
