package module

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/grafana/sobek"
)

// filterURL asks the script's URL filter about one URL, now, on the JavaScript
// thread. Round trips to other URLs, after a redirect, happen elsewhere: what
// the filter has not seen is recorded without its query.
func (i *instance) filterURL(filter sobek.Callable, target string) func(string) string {
	normal := target
	if parsed, err := url.Parse(target); err == nil {
		normal = parsed.String()
	}
	filtered := i.filter(filter, target)
	return func(raw string) string {
		if raw == target || raw == normal {
			return filtered
		}
		return withoutQuery(raw)
	}
}

func (i *instance) filter(filter sobek.Callable, target string) string {
	result, err := i.callHook(filter, i.vu.Runtime().ToValue(target))
	if err != nil {
		interrupted(err)
		i.run.hookFailed("urlFilter", err)
		return withoutQuery(target)
	}
	text, ok := result.Export().(string)
	if !ok {
		i.run.hookFailed("urlFilter",
			fmt.Errorf("it must return a string, got %s", describe(result.Export())))
		return withoutQuery(target)
	}
	return text
}

// interrupted goes on with the interruption of the VU, if err is one.
func interrupted(err error) {
	if interruption := new(sobek.InterruptedError); errors.As(err, &interruption) {
		panic(interruption)
	}
}

func withoutQuery(raw string) string {
	if end := strings.IndexAny(raw, "?#"); end >= 0 {
		return raw[:end]
	}
	return raw
}
