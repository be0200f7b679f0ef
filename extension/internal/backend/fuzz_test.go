package backend_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
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
