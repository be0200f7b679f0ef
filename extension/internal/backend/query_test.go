package backend_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/loopbacktest"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// serve answers every request with handler, and returns the base address.
func serve(t *testing.T, handler http.HandlerFunc) *url.URL {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	noError(t, err)
	return u
}

func jaegerAnswer(id tracecontext.TraceID) string {
	return fmt.Sprintf(`{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":`+
		`"service.name","value":{"stringValue":"inventory"}}]},"scopeSpans":[{"scope":{},"spans":`+
		`[{"traceId":"%s","spanId":"00000000000000a1","parentSpanId":"","name":"GET","kind":2,`+
		`"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000100000000",`+
		`"attributes":[{"key":"http.response.status_code","value":{"intValue":"200"}}],`+
		`"status":{}}]}]}]}}`, id)
}

func tempoTrace(tb testing.TB, id tracecontext.TraceID) []byte {
	tb.Helper()
	b, err := proto.Marshal(&trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{{
			Key: "service.name", Value: &common.AnyValue{
				Value: &common.AnyValue_StringValue{StringValue: "inventory"},
			},
		}}},
		ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{
			TraceId: id[:], SpanId: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Kind: 2,
		}}}},
	}}})
	noError(tb, err)
	return b
}

// tempoAnswer is a TraceByIDResponse.
func tempoAnswer(tr []byte, status uint64, message string) []byte {
	b := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), tr)
	b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), []byte{8, 1})
	b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), status)
	return protowire.AppendString(protowire.AppendTag(b, 4, protowire.BytesType), message)
}

func TestJaegerIsAskedForRawTraces(t *testing.T) {
	t.Parallel()
	id := idOf(1)
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/api/v3/traces/"+id.String()+"?raw_traces=true&rawTraces=true" ||
			r.Header.Get("Authorization") != "Bearer x" {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, jaegerAnswer(id))
	})
	j := backend.NewJaeger(backend.QueryConfig{
		URL: base, Header: http.Header{"Authorization": {"Bearer x"}},
	})
	t.Cleanup(j.CloseIdle)
	records, status, err := j.Fetch(context.Background(), id)
	noError(t, err)
	equal(t, backend.Found, status)
	equal(t, 1, len(records))
	equal(t, id, records[0].TraceID)
	equal(t, "inventory", records[0].Descriptor.Service)
	equal(t, span.KindServer, records[0].Kind)
	equal(t, 200, int(records[0].Status))
}

func TestTempoIsAskedForProtobuf(t *testing.T) {
	t.Parallel()
	id := idOf(1)
	state := uint64(0)
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tempo/api/v2/traces/"+id.String() ||
			r.Header.Get("Accept") != "application/protobuf" ||
			r.Header.Get("X-Scope-Orgid") != "team-a" {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Header().Set("Content-Type", "application/protobuf")
		_, _ = w.Write(tempoAnswer(tempoTrace(t, id), state, "exceeds\x00 the limit"))
	})
	base.Path = "/tempo"
	tempo := backend.NewTempo(backend.QueryConfig{URL: base, Tenant: "team-a"})
	t.Cleanup(tempo.CloseIdle)
	records, status, err := tempo.Fetch(context.Background(), id)
	noError(t, err)
	equal(t, backend.Found, status)
	equal(t, 1, len(records))
	equal(t, "inventory", records[0].Descriptor.Service)

	state = 1
	records, status, err = tempo.Fetch(context.Background(), id)
	errorWith(t, err, "tempo: partial trace: exceeds  the limit")
	equal(t, backend.Partial, status)
	equal(t, 1, len(records))
}

func TestAnswersThatSayNothingAreErrors(t *testing.T) {
	t.Parallel()
	id, other := idOf(1), idOf(2)
	const jsonType, protoType = "application/json", "application/protobuf"
	half := tempoAnswer(tempoTrace(t, id), 0, "")
	badID := strings.Replace(jaegerAnswer(id), "00000000000000a1", "0000000000000000", 1)
	cases := []struct {
		name, kind, contentType string
		status                  int
		body                    string
		want                    string // of the error; empty for none, which is Absent
	}{
		{"404", "jaeger", jsonType, 404, `{"error":{}}`, ""},
		{"404 of something else", "jaeger", "text/html", 404, "<html>no such page", "status 404: <html>no such page"},
		{"404", "tempo", "text/plain", 404, "trace not found", ""},
		{"no spans", "jaeger", jsonType, 200, `{"result":{"resourceSpans":[]}}`, ""},
		{"empty", "tempo", protoType, 200, "", ""},
		{"500", "jaeger", jsonType, 500, "{\"error\":\n1}", `status 500: {"error": 1}`},
		{"500", "tempo", protoType, 500, "", "status 500: nothing"},
		{"401", "tempo", "text/plain", 401, "no org id", "status 401: no org id"},
		{"429", "jaeger", jsonType, 429, "slow down", "status 429"},
		{"a page", "jaeger", "text/html", 200, "<html>", "malformed message"},
		{"a page", "tempo", "text/html", 200, "<html>", "the answer is text/html, not protobuf"},
		{"garbage", "jaeger", jsonType, 200, "}{", "malformed message"},
		{"no result", "jaeger", jsonType, 200, "{}", "result is absent"},
		{"half", "jaeger", jsonType, 200, jaegerAnswer(id)[:100], "malformed message"},
		{"half", "tempo", protoType, 200, string(half[:20]), "reading answer"},
		{"half a trace", "tempo", protoType, 200, string(tempoAnswer(tempoTrace(t, id)[:9], 0, "")), "malformed message"},
		{"another trace", "jaeger", jsonType, 200, jaegerAnswer(other), "spans of another trace"},
		{"another trace", "tempo", protoType, 200, string(tempoAnswer(tempoTrace(t, other), 0, "")), "spans of another trace"},
		{"a bad id", "jaeger", jsonType, 200, badID, "span_id must not be all zeros"},
		{"too large", "jaeger", jsonType, 200, strings.Repeat(" ", 5000), "the answer exceeds 4096 bytes"},
	}
	for _, c := range cases {
		t.Run(c.kind+" "+c.name, func(t *testing.T) {
			t.Parallel()
			base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			})
			src, err := backend.NewSource(backend.Spec{Kind: backend.Kind(c.kind), URL: base},
				backend.QueryConfig{MaxBytes: 4096})
			noError(t, err)
			records, status, err := src.Fetch(context.Background(), id)
			equal(t, backend.Absent, status)
			equal(t, 0, len(records))
			if c.want == "" {
				noError(t, err)
				return
			}
			errorWith(t, err, c.kind+": ", c.want)
		})
	}
}

func TestABackendThatIsSlowOrNotThereIsAnError(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	drip := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"result":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	nobody := &url.URL{Scheme: "http", Host: loopbacktest.Address(t)}
	for _, c := range []struct {
		base    *url.URL
		timeout time.Duration
		want    string
	}{
		{slow, 50 * time.Millisecond, "no answer within 50ms"},
		{drip, 50 * time.Millisecond, "no answer within 50ms"},
		{nobody, backend.DefaultTimeout, "connection refused"},
	} {
		j := backend.NewJaeger(backend.QueryConfig{URL: c.base, Timeout: c.timeout})
		_, _, err := j.Fetch(context.Background(), idOf(1))
		errorWith(t, err, "jaeger: ", c.want)
		errorWith(t, j.Check(context.Background()), "asking jaeger at "+c.base.String())
		j.CloseIdle()
	}
	for _, base := range []*url.URL{slow, drip} {
		tempo := backend.NewTempo(backend.QueryConfig{URL: base})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, _, err := tempo.Fetch(ctx, idOf(1))
		cancel()
		errorWith(t, err, "tempo: ", "no answer by the end of the settle time")
		tempo.CloseIdle()
	}
	impatient := &http.Transport{ResponseHeaderTimeout: 50 * time.Millisecond}
	tempo := backend.NewTempo(backend.QueryConfig{URL: slow, Transport: impatient})
	_, _, err := tempo.Fetch(context.Background(), idOf(1))
	errorWith(t, err, "tempo: ", "timeout awaiting response headers")
	tempo.CloseIdle()
	close(release)
}

func TestOnlyBackendsAreAskedByID(t *testing.T) {
	t.Parallel()
	_, err := backend.NewSource(backend.Spec{Kind: backend.KindFile}, backend.QueryConfig{})
	errorWith(t, err, `"file"`)
}

func TestAnAddressOfSomethingElseIsFoundOut(t *testing.T) {
	t.Parallel()
	answer := "{}"
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, answer) })
	j := backend.NewJaeger(backend.QueryConfig{URL: base})
	t.Cleanup(j.CloseIdle)
	noError(t, j.Check(context.Background()))
	answer = "<html>"
	errorWith(t, j.Check(context.Background()), "asking jaeger at http://", "not Jaeger's: <html>")
	tempo := backend.NewTempo(backend.QueryConfig{URL: base})
	t.Cleanup(tempo.CloseIdle)
	errorWith(t, tempo.Check(context.Background()), "asking tempo at http://", "no echo: <html>")
	answer = "echo"
	noError(t, tempo.Check(context.Background()))
}
