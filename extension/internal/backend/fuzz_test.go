package backend_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
)

// answers is a transport that gives the same answer to everything.
type answers struct {
	contentType string
	body        []byte
}

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Request: req,
		Header: http.Header{"Content-Type": {a.contentType}},
		Body:   io.NopCloser(bytes.NewReader(a.body)),
	}, nil
}

// fuzzSource checks that whatever a backend answers, what is found belongs to
// the trace asked for, and that an unusable answer leaves nothing behind.
func fuzzSource(t *testing.T, kind backend.Kind, a answers) {
	t.Helper()
	src, err := backend.NewSource(
		backend.Spec{Kind: kind, URL: &url.URL{Scheme: "http", Host: "x"}},
		backend.QueryConfig{Transport: a})
	noError(t, err)
	id := idOf(1)
	records, status, err := src.Fetch(context.Background(), id)
	switch status {
	case backend.Found:
		noError(t, err)
		equal(t, true, len(records) > 0)
	case backend.Partial:
		equal(t, true, err != nil)
	case backend.Absent:
		equal(t, 0, len(records))
	}
	for i := range records {
		equal(t, id, records[i].TraceID)
		equal(t, false, records[i].SpanID.IsZero())
		equal(t, true, records[i].Descriptor != nil)
	}
}

func FuzzJaegerAnswer(f *testing.F) {
	for _, s := range []string{
		jaegerAnswer(idOf(1)), jaegerAnswer(idOf(2)), `{}`, ``, `{"result":null}`,
		`{"error":{"httpCode":404,"message":"x"}}`, jaegerAnswer(idOf(1))[:200],
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzSource(t, backend.KindJaeger, answers{"application/json", b})
	})
}

func FuzzTempoAnswer(f *testing.F) {
	tr := tempoTrace(f, idOf(1))
	for _, b := range [][]byte{
		nil, tempoAnswer(tr, 0, ""), tempoAnswer(tr, 1, "partial"), tempoAnswer(tr[:9], 0, ""),
		tempoAnswer(tempoTrace(f, idOf(2)), 0, ""), append(tempoAnswer(tr, 1, ""), tempoAnswer(tr, 0, "")...),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzSource(t, backend.KindTempo, answers{"application/protobuf", b})
	})
}

// found is a backend whose search answers with the body, and which has none of
// the traces that it names.
type found struct {
	contentType string
	body        []byte
}

func (f found) RoundTrip(req *http.Request) (*http.Response, error) {
	a := answers(f)
	switch {
	case req.URL.Path == "/api/v3/services":
		a.body = []byte(`{"services":["a","b"]}`)
	case strings.HasPrefix(req.URL.Path, "/api/v3/traces/"):
		a.body = []byte(`{"result":{}}`)
	case strings.HasPrefix(req.URL.Path, "/api/v2/traces/"):
		a = answers{"application/protobuf", nil}
	}
	return a.RoundTrip(req)
}

// FuzzSearchAnswer checks that a search finds nothing that was not fetched, and
// that an answer that is not the backend's is an error: silence would be taken
// for proof.
func FuzzSearchAnswer(f *testing.F) {
	id := idOf(3).String()
	for _, s := range []string{
		jaegerFound(), jaegerFound(id), jaegerFound("0"), `{"data":[],"errors":[{"msg":"x"}]}`,
		`{"traces":[{"traceID":"` + id + `"}]}`, `{"metrics":{"completedJobs":1,"totalJobs":2}}`,
		`{}`, ``, `null`, `[]`, `{"data":null,"traces":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var content any
		isObject := json.Unmarshal(b, &content) == nil
		if isObject {
			_, isObject = content.(map[string]any)
		}
		for _, kind := range []backend.Kind{backend.KindJaeger, backend.KindTempo} {
			src, err := backend.NewSource(
				backend.Spec{Kind: kind, URL: &url.URL{Scheme: "http", Host: "x"}},
				backend.QueryConfig{Transport: found{"application/json", b}})
			noError(t, err)
			searcher, can := src.(backend.Searcher)
			equal(t, true, can)
			records, err := searcher.Search(context.Background(),
				[]backend.Wanted{{Claim: claimOf(1), Agent: agentOf(1)}})
			equal(t, 0, len(records))
			if err == nil && !isObject {
				t.Errorf("%s: the answer %q proves nothing", kind, b)
			}
		}
	})
}
