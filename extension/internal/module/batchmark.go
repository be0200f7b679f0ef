package module

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"go.k6.io/k6/v2/lib/netext/httpext"
)

// entryHeader tells the entries of a batch apart that authenticate by NTLM: its
// transport copies requests, so that their URL values do not identify them. It
// is never sent; only k6's --http-debug shows it.
const entryHeader = "X-Continuity-Batch-Entry"

// add registers the next attempt of an entry and returns the request that k6
// is to send for it: the script's, with a URL value of its own. A URL that does
// not parse is left for k6 to refuse.
func (r batchRouter) add(e *entry) any {
	_, target, params := readEntry(e.request)
	own, err := ownURL(target)
	if err != nil {
		return e.request
	}
	e.prepare(e.backoff)
	r[own.GetURL()] = e.send
	mark := ""
	if params["auth"] == "ntlm" {
		mark = fmt.Sprintf("%p", own.GetURL())
	}
	return withURL(e.request, own, mark)
}

func ownURL(target any) (httpext.URL, error) {
	if given, ok := target.(httpext.URL); ok {
		return httpext.NewURL(given.URL, given.Name)
	}
	return httpext.ToURL(target)
}

// withURL returns the request with another URL and, if it is not empty, the
// mark among its headers. The script's own values are not changed.
func withURL(request any, target httpext.URL, mark string) any {
	switch v := request.(type) {
	case []any:
		fields := slices.Clone(v)
		fields[1] = target
		if mark != "" {
			fields[3] = withMark(fields[3], mark)
		}
		return fields
	case map[string]any:
		fields := maps.Clone(v)
		fields["url"] = target
		if mark != "" {
			fields["params"] = withMark(fields["params"], mark)
		}
		return fields
	default:
		return target
	}
}

func withMark(params any, mark string) map[string]any {
	given, _ := params.(map[string]any)
	marked := maps.Clone(given)
	givenHeaders, _ := given["headers"].(map[string]any)
	headers := make(map[string]any, len(givenHeaders)+1)
	maps.Copy(headers, givenHeaders)
	headers[entryHeader] = mark
	marked["headers"] = headers
	return marked
}

// marked sends a request that carries its mark, without it.
func (r batchRouter) marked(mark string, req *http.Request) (*http.Response, error) {
	for target, transport := range r {
		if fmt.Sprintf("%p", target) != mark {
			continue
		}
		sent := req.Clone(req.Context())
		sent.Header.Del(entryHeader)
		return transport.RoundTrip(sent)
	}
	return nil, fmt.Errorf("%w: a batch request has lost its mark", errUnknownK6)
}
