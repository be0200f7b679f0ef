package otlp_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
)

const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

func packed(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	noError(tb, err)
	noError(tb, w.Close())
	return out.Bytes()
}

// reply is the head of an HTTP response.
type reply struct {
	StatusCode int
	Header     http.Header
}

// send makes one HTTP request and returns the response with its body read.
func send(
	tb testing.TB, r *otlp.Receiver, method, path string, header map[string]string, body []byte,
) (reply, []byte) {
	tb.Helper()
	req, err := http.NewRequest(method, "http://"+r.HTTPAddr()+path, bytes.NewReader(body))
	noError(tb, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	noError(tb, err)
	defer func() { noError(tb, resp.Body.Close()) }()
	answer, err := io.ReadAll(resp.Body)
	noError(tb, err)
	return reply{resp.StatusCode, resp.Header}, answer
}

func TestHTTPAnswersAsTheSpecificationDemands(t *testing.T) {
	t.Parallel()
	good := marshal(t, request("a", serverSpan(1)))
	const goodJSON = `{"resourceSpans":[{"scopeSpans":[{"spans":[{` +
		`"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174"}]}]}]}`
	large := marshal(t, request(strings.Repeat("x", 5000), serverSpan(1)))
	bomb := packed(t, make([]byte, 1<<20))
	cases := []struct {
		name, method, path, contentType, coding string
		body                                    []byte
		status                                  int
		code                                    int32
		spans                                   uint64
	}{
		{"good protobuf", "POST", "/v1/traces", typeProtobuf, "", good, 200, 0, 1},
		{"good gzip", "POST", "/v1/traces", typeProtobuf, "gzip", packed(t, good), 200, 0, 1},
		{"identity coding", "POST", "/v1/traces", typeProtobuf, "identity", good, 200, 0, 1},
		{"parameters of the type", "POST", "/v1/traces", typeJSON + "; charset=utf-8", "", []byte(goodJSON), 200, 0, 1},
		{"gzip JSON", "POST", "/v1/traces", typeJSON, "gzip", packed(t, []byte(goodJSON)), 200, 0, 1},
		{"empty protobuf", "POST", "/v1/traces", typeProtobuf, "", nil, 200, 0, 0},
		{"empty JSON object", "POST", "/v1/traces", typeJSON, "", []byte("{}"), 200, 0, 0},
		{"no JSON at all", "POST", "/v1/traces", typeJSON, "", nil, 400, 3, 0},
		{"malformed protobuf", "POST", "/v1/traces", typeProtobuf, "", good[:len(good)-3], 400, 3, 0},
		{"malformed JSON", "POST", "/v1/traces", typeJSON, "", []byte(goodJSON[:40]), 400, 3, 0},
		{"JSON sent as protobuf", "POST", "/v1/traces", typeProtobuf, "", []byte(goodJSON), 400, 3, 0},
		{"not gzip", "POST", "/v1/traces", typeProtobuf, "gzip", good, 400, 3, 0},
		{"gzip cut short", "POST", "/v1/traces", typeProtobuf, "gzip", packed(t, good)[:40], 400, 3, 0},
		{"too large", "POST", "/v1/traces", typeProtobuf, "", large, 413, 8, 0},
		{"too large after decompression", "POST", "/v1/traces", typeProtobuf, "gzip", packed(t, large), 413, 8, 0},
		{"compression bomb", "POST", "/v1/traces", typeJSON, "gzip", bomb, 413, 8, 0},
		{"unknown coding", "POST", "/v1/traces", typeProtobuf, "br", good, 415, 3, 0},
		{"unknown type", "POST", "/v1/traces", "text/plain", "", good, 415, 3, 0},
		{"no type", "POST", "/v1/traces", "", "", good, 415, 3, 0},
		{"GET", "GET", "/v1/traces", typeProtobuf, "", nil, 405, 12, 0},
		{"PUT", "PUT", "/v1/traces", typeJSON, "", []byte(goodJSON), 405, 12, 0},
		{"OPTIONS from a web page", "OPTIONS", "/v1/traces", "", "", nil, 405, 12, 0},
		{"unknown path", "POST", "/v1/trace", typeProtobuf, "", good, 404, 5, 0},
		{"metrics", "POST", "/v1/metrics", typeProtobuf, "", good, 200, 0, 0},
		{"logs", "POST", "/v1/logs", typeJSON, "", []byte("{}"), 200, 0, 0},
		{"logs by GET", "GET", "/v1/logs", typeJSON, "", nil, 405, 12, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, got := listen(t, func(cfg *otlp.Config) { cfg.GRPC = ""; cfg.MaxBytes = 4096 })
			resp, body := send(t, r, c.method, c.path, map[string]string{
				"Content-Type": c.contentType, "Content-Encoding": c.coding,
			}, c.body)
			equal(t, c.status, resp.StatusCode)
			want := typeJSON
			if c.contentType == typeProtobuf {
				want = typeProtobuf
			}
			equal(t, want, resp.Header.Get("Content-Type"))
			if c.status != http.StatusOK {
				s := statusOf(t, want, body)
				equal(t, c.code, s.GetCode())
				equal(t, true, s.GetMessage() != "")
			}
			if c.status == http.StatusMethodNotAllowed {
				equal(t, "POST", resp.Header.Get("Allow"))
			}
			equal(t, c.spans, uint64(len(got.all())))
			equal(t, c.spans, r.Stats().Spans)
			if c.path == "/v1/traces" {
				equal(t, c.status != 200, r.Stats().BadRequests == 1)
			}
		})
	}
}

// statusOf parses a google.rpc.Status in the encoding of its content type.
func statusOf(t *testing.T, contentType string, body []byte) *rpc.Status {
	t.Helper()
	s := new(rpc.Status)
	if contentType == typeJSON {
		noError(t, protojson.Unmarshal(body, s))
	} else {
		noError(t, proto.Unmarshal(body, s))
	}
	return s
}

func TestSpansWithBadIDsAreRejectedOneByOne(t *testing.T) {
	t.Parallel()
	zero, short, root := serverSpan(1), serverSpan(3), serverSpan(5)
	zero.TraceId = make([]byte, 16)
	short.SpanId = short.SpanId[:7]
	root.ParentSpanId = make([]byte, 8)
	body := marshal(t, request("a", zero, serverSpan(7), short, root))
	r, got := listen(t, nil)

	_, answer := send(t, r, "POST", "/v1/traces", map[string]string{"Content-Type": typeProtobuf}, body)
	response := new(collector.ExportTraceServiceResponse)
	noError(t, proto.Unmarshal(answer, response))
	equal(t, 2, int(response.GetPartialSuccess().GetRejectedSpans()))
	equal(t, "trace_id must not be all zeros", response.GetPartialSuccess().GetErrorMessage())
	records := got.all()
	equal(t, 2, len(records))
	equal(t, true, records[1].ParentID.IsZero())
	equal(t, 2, int(r.Stats().Rejected))

	const spans = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abc","spanId":"00"},` +
		`{"traceId":"5b8efff798038103d269b633813fc60g","spanId":"eee19b7ec3c1b174"}]}]}]}`
	_, answer = send(t, r, "POST", "/v1/traces", map[string]string{"Content-Type": typeJSON}, []byte(spans))
	equal(t, `{"partialSuccess":{"rejectedSpans":"2","errorMessage":"trace_id must have 16 bytes"}}`,
		string(answer))
	equal(t, 4, int(r.Stats().Rejected))
	equal(t, 0, int(r.Stats().BadRequests))
}

func TestARequestSentTwiceIsCounted(t *testing.T) {
	t.Parallel()
	r, got := listen(t, nil)
	for _, n := range []uint64{1, 1, 100, 1} {
		send(t, r, "POST", "/v1/traces", map[string]string{"Content-Type": typeProtobuf},
			marshal(t, request("a", serverSpan(n), serverSpan(n+2))))
	}
	equal(t, 2, int(r.Stats().Redelivered))
	equal(t, 8, len(got.all()))
}

func TestASlowHTTPSenderIsCutOff(t *testing.T) {
	t.Parallel()
	r, got := listen(t, func(c *otlp.Config) { otlp.SetTimeouts(c, 50*time.Millisecond, time.Second) })
	c, err := net.Dial("tcp", r.HTTPAddr())
	noError(t, err)
	defer func() { noError(t, c.Close()) }()
	_, err = io.WriteString(c, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: "+
		typeProtobuf+"\r\nContent-Length: 1000\r\n\r\n\x0a")
	noError(t, err)
	answer, err := io.ReadAll(c)
	noError(t, err)
	equal(t, true, strings.HasPrefix(string(answer), "HTTP/1.1 408 "))
	equal(t, 0, len(got.all()))
	equal(t, 1, int(r.Stats().BadRequests))
}

func TestABodyThatEndsEarlyIsABadRequest(t *testing.T) {
	t.Parallel()
	r, _ := listen(t, nil)
	c, err := net.Dial("tcp", r.HTTPAddr())
	noError(t, err)
	defer func() { noError(t, c.Close()) }()
	_, err = io.WriteString(c, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: "+
		typeProtobuf+"\r\nContent-Length: 1000\r\n\r\nabc")
	noError(t, err)
	noError(t, c.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(c)
	noError(t, err)
	equal(t, true, strings.HasPrefix(string(answer), "HTTP/1.1 400 "))
}
