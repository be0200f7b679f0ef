package module

import (
	"errors"
	"fmt"

	"github.com/grafana/sobek"
	k6http "go.k6.io/k6/v2/js/modules/k6/http"
)

var errUnknownK6 = errors.New("this version of k6 exports its HTTP module in an unknown form")

// verb is the Go form of http.get, http.post and so on.
type verb = func(url sobek.Value, args ...sobek.Value) (*k6http.Response, error)

// natives are k6's own functions in their Go form. Calling them directly
// spares a second conversion of arguments and results.
type natives struct {
	get, head, post, put, patch, del, options verb

	request      func(method string, url sobek.Value, args ...sobek.Value) (*k6http.Response, error)
	asyncRequest func(method string, url sobek.Value, args ...sobek.Value) (*sobek.Promise, error)
	batch        func(requests ...sobek.Value) (any, error)
}

func (n *natives) load(exports *sobek.Object) error {
	for name, dst := range map[string]*verb{
		"get": &n.get, "head": &n.head, "post": &n.post, "put": &n.put,
		"patch": &n.patch, "del": &n.del, "options": &n.options,
	} {
		if err := loadNative(exports, name, dst); err != nil {
			return err
		}
	}
	return errors.Join(
		loadNative(exports, "request", &n.request),
		loadNative(exports, "asyncRequest", &n.asyncRequest),
		loadNative(exports, "batch", &n.batch),
	)
}

func loadNative[T any](exports *sobek.Object, name string, dst *T) error {
	fn, ok := exports.Get(name).Export().(T)
	if !ok {
		return fmt.Errorf("%w: http.%s is a %T", errUnknownK6, name, exports.Get(name).Export())
	}
	*dst = fn
	return nil
}

// splitTarget takes the URL off the arguments of a verb.
func splitTarget(args []sobek.Value) (sobek.Value, []sobek.Value) {
	if len(args) == 0 {
		return nil, nil
	}
	return args[0], args[1:]
}

// splitMethod takes the method and the URL off the arguments of http.request.
func splitMethod(args []sobek.Value) (string, sobek.Value, []sobek.Value) {
	if len(args) == 0 {
		return "", nil, nil
	}
	target, rest := splitTarget(args[1:])
	return args[0].String(), target, rest
}

func argument(args []sobek.Value, i int) sobek.Value {
	if i < len(args) {
		return args[i]
	}
	return nil
}

// exportResponse returns the response behind a JavaScript value, or nil.
func exportResponse(value sobek.Value) *k6http.Response {
	response, _ := value.Export().(*k6http.Response)
	return response
}
