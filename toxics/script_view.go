package toxics

import (
	"slices"

	"github.com/dop251/goja"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// headView shows a message head to a script. It is read when it is asked for: the
// head must be one that nobody edits, as a script that was given up reads on.
type headView struct {
	run     *scriptRun
	head    *httpstream.Head
	request bool
}

var _ goja.DynamicObject = &headView{}

// Keys implements goja.DynamicObject.
func (v *headView) Keys() []string {
	if v.request {
		return []string{"method", "target", "path", "query", "traceId", "headers"}
	}
	return []string{"status", "headers"}
}

// Has implements goja.DynamicObject.
func (v *headView) Has(key string) bool { return slices.Contains(v.Keys(), key) }

// Set implements goja.DynamicObject; a view is not written to.
func (v *headView) Set(string, goja.Value) bool { return false }

// Delete implements goja.DynamicObject; a view is not written to.
func (v *headView) Delete(string) bool { return false }

// Get implements goja.DynamicObject.
func (v *headView) Get(key string) goja.Value {
	vm := v.run.vm
	switch {
	case key == "headers":
		return vm.NewDynamicObject((*headersView)(v))
	case !v.request && key == "status":
		return vm.ToValue(v.head.Status())
	case !v.request:
		return nil
	}
	switch key {
	case "method":
		return vm.ToValue(v.head.Method())
	case "target":
		return vm.ToValue(v.head.Target())
	case "path":
		path, _ := splitTarget(v.head.Target())
		return vm.ToValue(path)
	case "query":
		_, query := splitTarget(v.head.Target())
		return vm.ToValue(query)
	case "traceId":
		return vm.ToValue(traceKey(v.head))
	default:
		return nil
	}
}

// headersView shows the header lines of a head, by their names in any case;
// several lines of one name as one, joined with a comma.
type headersView headView

var _ goja.DynamicObject = &headersView{}

// Keys implements goja.DynamicObject.
func (v *headersView) Keys() []string {
	names := v.head.Names()
	slices.Sort(names)
	return slices.Compact(names)
}

// Has implements goja.DynamicObject.
func (v *headersView) Has(key string) bool {
	_, ok := v.head.Get(key)
	return ok
}

// Set implements goja.DynamicObject; a view is not written to.
func (v *headersView) Set(string, goja.Value) bool { return false }

// Delete implements goja.DynamicObject; a view is not written to.
func (v *headersView) Delete(string) bool { return false }

// Get implements goja.DynamicObject.
func (v *headersView) Get(key string) goja.Value {
	value, ok := v.head.Get(key)
	if !ok {
		return nil
	}
	if values := v.head.Values(key); len(values) > 1 {
		value = joinValues(values)
	}
	return v.run.vm.ToValue(value)
}
