package toxics_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

func TestBadAttributesAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, attributes, want string }{
		{"http_nothing", `{}`, `toxic type must be one of http_status, http_latency, http_header, http_reset, http_body, http_script, got "http_nothing"`},
		{"http_status", `[1]`, `http_status: attributes must be an object, got [1]`},
		{"http_status", `{"stats":503}`, `http_status: stats is not an attribute; accepted are body, every, first, headers, limit, match, mode, phase, probability, retry_after, seed, status`},
		{"http_status", `{"status":"bad"}`, `http_status: status must be a whole number, got "bad"`},
		{"http_status", `{"status":503.5}`, `http_status: status must be a whole number, got 503.5`},
		{"http_status", `{"headers":null}`, `http_status: headers must be an object of strings, got null`},
		{"http_status", `{"status":99}`, `http_status: status must be between 200 and 599, got 99`},
		{"http_status", `{"mode":"drop"}`, `http_status: mode must be one of abort, replace, got "drop"`},
		{"http_status", `{"status":204,"body":"x"}`, `http_status: body must be empty for status 204, got "x"`},
		{"http_status", `{"headers":{"A B":"c"}}`, `http_status: headers must have header names and values without line breaks, got "A B": "c"`},
		{"http_status", `{"headers":{"A":"b\r\nC: d"}}`, `http_status: headers must have header names and values without line breaks, got "A": "b\r\nC: d"`},
		{"http_status", `{"headers":{"Content-Length":"1"}}`, `http_status: headers must not name Content-Length, which delimits the body`},
		{"http_status", `{"retry_after":"1\n"}`, `http_status: retry_after must be seconds or a date, got "1\n"`},
		{"http_status", `{"probability":1.5}`, `http_status: probability must be between 0 and 1, got 1.5`},
		{"http_status", `{"every":-1}`, `http_status: every must be 0 or more, got -1`},
		{"http_status", `{"first":-1}`, `http_status: first must be 0 or more, got -1`},
		{"http_status", `{"limit":-1}`, `http_status: limit must be 0 or more, got -1`},
		{"http_status", `{"seed":-1}`, `http_status: seed must be a whole number, 0 or more, got -1`},
		{"http_status", `{"match":{"path":"["}}`, `http_status: match.path must be a glob, got "["`},
		{"http_status", `{"match":{"header":{"X":"["}}}`, `http_status: match.header.X must be a glob, got "["`},
		{"http_status", `{"match":{"paths":"/"}}`, `http_status: match must be an object with fields header, method, path, got {"paths":"/"}`},
		{"http_latency", `{"latency":-1}`, `http_latency: latency must be between 0 and 600000 milliseconds, got -1`},
		{"http_latency", `{"jitter":1e9}`, `http_latency: jitter must be a whole number, got 1e9`},
		{"http_latency", `{"distribution":"gauss"}`, `http_latency: distribution must be one of uniform, normal, pareto, got "gauss"`},
		{"http_latency", `{"shape":0.5}`, `http_latency: shape must be above 1, got 0.5`},
		{"http_latency", `{"on":"both"}`, `http_latency: on must be one of request, response, got "both"`},
		{"http_header", `{}`, `http_header: remove, set or mangle must name a header, got none`},
		{"http_header", `{"remove":["a b"]}`, `http_header: remove must have header names and values without line breaks, got "a b": ""`},
		{"http_header", `{"remove":"a"}`, `http_header: remove must be an array of strings, got "a"`},
		{"http_header", `{"mangle":["transfer-encoding"]}`, `http_header: mangle must not name transfer-encoding, which delimits the body`},
		{"http_header", `{"mangle":["a"],"mangle_as":"x"}`, `http_header: mangle_as must be one of ids, parent, flags, invalid, got "x"`},
		{"http_header", `{"mangle":["b3"],"mangle_as":"flags"}`, `http_header: mangle_as "flags" is for mangle [traceparent], got "b3"`},
		{"http_header", `{"remove":["b3"],"mangle_as":"ids"}`, `http_header: mangle_as says how to mangle, and mangle names no header, got "ids"`},
		{"http_reset", `{"when":"never"}`, `http_reset: when must be one of before, after, body, got "never"`},
		{"http_reset", `{"bytes":-1}`, `http_reset: bytes must be 0 or more, got -1`},
		{"http_body", `{"mode":"eat"}`, `http_body: mode must be one of truncate, corrupt, got "eat"`},
		{"http_script", `{}`, `http_script: script must be the source of a script, got nothing`},
		{"http_script", `{"script":"1","timeout":0}`, `http_script: timeout must be between 1 and 10000 milliseconds, got 0`},
		{"http_script", `{"script":"var a = 1"}`, `http_script: script must define onRequest or onResponse, got neither`},
	} {
		err := toxics.Validate(c.kind, json.RawMessage(c.attributes))
		require.EqualError(t, err, c.want, c.attributes)
	}
}

func TestScriptsThatCannotBeAdded(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"function onRequest( {":                           "http_script: script must compile: SyntaxError:",
		"while (true) {}; function onRequest() {}":        "http_script: script must run: took longer than its timeout",
		"throw new Error('no')":                           "http_script: script must run: Error: no",
		"require('fs'); function onRequest() {}":          "http_script: script must run: ReferenceError: require is not defined",
		"function f() { f() }; f()":                       "http_script: script must run: ",
		"process.exit(1); function onRequest() {}":        "http_script: script must run: ReferenceError: process is not defined",
		"fetch('http://a'); function onRequest() {}":      "http_script: script must run: ReferenceError: fetch is not defined",
		"import fs from 'fs'; function onRequest() {}":    "http_script: script must compile: SyntaxError:",
		"setTimeout(() => {}, 1); function onRequest(){}": "http_script: script must run: ReferenceError: setTimeout is not defined",
	} {
		timeout := 10_000
		if strings.HasSuffix(want, "its timeout") {
			timeout = 300
		}
		text, err := json.Marshal(map[string]any{"script": script, "timeout": timeout})
		require.NoError(t, err)
		assert.ErrorContains(t, toxics.Validate("http_script", text), want, script)
	}
}

// TestTextFromTheCommandLine takes what toxiproxy's command line makes of -a.
func TestTextFromTheCommandLine(t *testing.T) {
	t.Parallel()
	hub := toxics.NewHub(t.Name())
	defer hub.Close()
	require.NoError(t, hub.Add("x", "http_status", json.RawMessage(
		`{"status":503,"body":404,"retry_after":5,"match":"{\"path\":\"/a\"}","probability":0.5}`)))
	toxic, ok := hub.Toxic("x")
	require.True(t, ok)
	assert.JSONEq(t, `{"status":503,"mode":"abort","body":"404","retry_after":"5",
		"match":{"path":"/a"},"probability":0.5}`, string(toxic.Attributes))
	require.NoError(t, hub.Add("y", "http_header", json.RawMessage(`{"remove":"[\"traceparent\"]"}`)))
}

func TestUpdateAndMerge(t *testing.T) {
	t.Parallel()
	hub := toxics.NewHub(t.Name())
	defer hub.Close()
	shown := func() string {
		toxic, _ := hub.Toxic("x")
		return string(toxic.Attributes)
	}
	require.NoError(t, hub.Add("x", "http_status", json.RawMessage(`{"status":500,"every":2}`)))
	require.Error(t, hub.Add("x", "http_status", nil), "the name is taken")
	require.NoError(t, hub.Merge("x", json.RawMessage(`{"body":"no"}`)))
	assert.JSONEq(t, `{"status":500,"mode":"abort","body":"no","every":2}`, shown())
	require.NoError(t, hub.Merge("x", json.RawMessage(`{"every":null}`)))
	assert.JSONEq(t, `{"status":500,"mode":"abort","body":"no"}`, shown())
	require.Error(t, hub.Merge("x", json.RawMessage(`{"status":1}`)))
	assert.JSONEq(t, `{"status":500,"mode":"abort","body":"no"}`, shown(), "as it was")
	require.NoError(t, hub.Update("x", json.RawMessage(`{"mode":"replace"}`)))
	assert.JSONEq(t, `{"status":503,"mode":"replace"}`, shown())
	require.EqualError(t, hub.Update("y", nil), `toxic "y" does not exist`)
	require.NoError(t, hub.Add("null", "http_status", json.RawMessage("null")))
	require.NoError(t, hub.Merge("null", json.RawMessage(`{"status":500}`)))
	_, err := hub.Remove("y")
	require.EqualError(t, err, `toxic "y" does not exist`)
}
