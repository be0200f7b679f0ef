package module

import (
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"
)

// optionalAttributes reads an object of attributes; nothing stands for none.
func optionalAttributes(what string, value any) ([]attribute.KeyValue, error) {
	if value == nil {
		return nil, nil
	}
	values, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: attributes must be an object, got %s", what, describe(value))
	}
	return readAttributes(what, values)
}

// readAttributes converts a script's attribute values: strings, numbers,
// booleans, or arrays of one of these.
func readAttributes(what string, values map[string]any) ([]attribute.KeyValue, error) {
	out := make([]attribute.KeyValue, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if key == "" {
			return nil, fmt.Errorf("%s: attribute keys must not be empty", what)
		}
		converted, ok := attributeValue(key, values[key])
		if !ok {
			return nil, fmt.Errorf("%s: attribute %q must be a string, a number, a boolean "+
				"or an array of one of these, got %s", what, key, describe(values[key]))
		}
		out = append(out, converted)
	}
	return out, nil
}

func attributeValue(key string, value any) (attribute.KeyValue, bool) {
	switch v := value.(type) {
	case string:
		return attribute.String(key, v), true
	case bool:
		return attribute.Bool(key, v), true
	case int64:
		return attribute.Int64(key, v), true
	case float64:
		return attribute.Float64(key, v), true
	case []any:
		return attributeSlice(key, v)
	default:
		return attribute.KeyValue{}, false
	}
}

func attributeSlice(key string, values []any) (attribute.KeyValue, bool) {
	if texts, ok := allOf[string](values); ok {
		return attribute.StringSlice(key, texts), true
	}
	if flags, ok := allOf[bool](values); ok {
		return attribute.BoolSlice(key, flags), true
	}
	numbers := make([]float64, 0, len(values))
	for _, value := range values {
		n, ok := toFloat(value)
		if !ok {
			return attribute.KeyValue{}, false
		}
		numbers = append(numbers, n)
	}
	return attribute.Float64Slice(key, numbers), true
}

func allOf[T any](values []any) ([]T, bool) {
	out := make([]T, 0, len(values))
	for _, value := range values {
		typed, ok := value.(T)
		if !ok {
			return nil, false
		}
		out = append(out, typed)
	}
	return out, true
}
