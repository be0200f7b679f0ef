package otlp_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// FuzzDecodeJSON compares the scanner with encoding/json: what is no JSON
// must be refused, and what is must be refused or mean exactly what a plain
// walk over its values says.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range jsonSeeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []span.Record
		result, err := otlp.NewDecoder().DecodeJSON(b, func(batch []span.Record) {
			got = append(got, batch...)
		})
		if err != nil {
			equal(t, 0, len(got))
		}
		if !json.Valid(b) {
			equal(t, true, err != nil)
			return
		}
		if !utf8.Valid(b) || hasDuplicates(b) {
			return // encoding/json repairs the one and merges the other
		}
		req, ok := requestFromJSON(b)
		equal(t, ok, err == nil)
		if !ok {
			return
		}
		want, rejected := oracle(req)
		equal(t, "", differ(want, got))
		equal(t, rejected, result.Rejected)
	})
}

// hasDuplicates reports whether an object of b has a key twice.
func hasDuplicates(b []byte) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	var stack []map[string]bool // nil for an array
	key := false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if delim, ok := token.(json.Delim); ok {
			switch delim {
			case '{':
				stack = append(stack, map[string]bool{})
			case '[':
				stack = append(stack, nil)
			default:
				stack = stack[:len(stack)-1]
			}
			key = len(stack) > 0 && stack[len(stack)-1] != nil
			continue
		}
		if len(stack) == 0 || stack[len(stack)-1] == nil {
			continue
		}
		if name, ok := token.(string); ok && key {
			if stack[len(stack)-1][name] {
				return true
			}
			stack[len(stack)-1][name] = true
		}
		key = !key
	}
}

// jsonSeeds are requests that exercise each rule of the JSON form.
func jsonSeeds() []string {
	const ids = `"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174"`
	wrap := func(s string) string {
		return `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":` +
			`{"stringValue":"my.service"}}]},"scopeSpans":[{"scope":{"name":"lib"},"spans":[` + s +
			`]}]}]}`
	}
	seeds := []string{
		`{}`, ``, `null`, `[]`, `{"resourceSpans":null}`, `{"resourceSpans":[{}]}`,
		`{"unknown":[1,2.5e3,{"a":null}],"resourceSpans":[]} `,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{` + ids +
			`}],"scope":{"name":"s\u00e9\ud83d\ude00\ud800x"}}],"resource":{}}]}`,
	}
	for _, member := range []string{
		``, `,"parentSpanId":""`, `,"parentSpanId":"EEE19B7EC3C1B173"`, `,"parentSpanId":"00"`,
		`,"kind":2`, `,"kind":"SPAN_KIND_SERVER"`, `,"kind":"2"`, `,"kind":2.0`, `,"kind":3e9`,
		`,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000`,
		`,"startTimeUnixNano":1.5447e18,"flags":769`, `,"flags":-1`, `,"startTimeUnixNano":"x"`,
		`,"name":"I\"m \/ a \u0041 name\n","traceState":"a=b"`, `,"status":{"code":2,"message":"m"}`,
		`,"status":{}`, `,"status":null,"attributes":null,"kind":null,"name":null`,
		`,"attributes":[{"key":"http.response.status_code","value":{"intValue":"503"}}]`,
		`,"kind":2,"attributes":[{"value":{"intValue":404},"key":"http.status_code"},null,{},` +
			`{"key":"url.path","value":{"stringValue":"/a"}},{"key":"x","value":{"arrayValue":` +
			`{"values":[{"boolValue":true}]}}}]`,
		`,"attributes":[{"key":"http.route","value":{"stringValue":null,"kvlistValue":{}}}]`,
		`,"events":[{"name":"e","timeUnixNano":"1"}],"links":[],"droppedEventsCount":1`,
	} {
		seeds = append(seeds, wrap(`{`+ids+member+`}`))
	}
	return append(seeds, wrap(`{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ="}`),
		wrap(`{"traceId":"zz"},{`+ids+`}`), wrap(`{`+ids+`,"name":"a","name":"b"}`))
}
