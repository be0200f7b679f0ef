package traced

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// nowhere takes attempts and spans and forgets them.
type nowhere struct{}

func (nowhere) Expects() bool              { return true }
func (nowhere) Open(tracecontext.TraceID)  {}
func (nowhere) Attempt(span.Attempt)       {}
func (nowhere) Close(tracecontext.TraceID) {}
func (nowhere) Finish(span.Attempt)        {}
func (nowhere) Whole(span.Attempt)         {}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

// instant answers at once, so that what is measured is our own work.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	hooks := httptrace.ContextClientTrace(req.Context())
	hooks.GetConn("")
	hooks.GotConn(httptrace.GotConnInfo{})
	hooks.WroteRequest(httptrace.WroteRequestInfo{})
	hooks.GotFirstResponseByte()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

// BenchmarkRoundTrip compares the bare transport with ours, with the hooks that
// k6 attaches to every request.
func BenchmarkRoundTrip(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok")
	}))
	b.Cleanup(server.Close)
	loopback := newBase(b)
	for _, tt := range []struct {
		name     string
		base     http.RoundTripper
		traced   bool
		exporter sdktrace.SpanExporter
	}{
		{"instant/bare", instant{}, false, nil},
		{"instant/traced", instant{}, true, nil},
		{"instant/exported", instant{}, true, nowhere{}},
		{"loopback/bare", loopback, false, nil},
		{"loopback/traced", loopback, true, nil},
		{"loopback/exported", loopback, true, nowhere{}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			provider, err := NewProvider(b.Context(), ProviderConfig{Exporter: tt.exporter})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
			client, err := NewClient(provider, ClientConfig{Correlate: true}, nowhere{})
			if err != nil {
				b.Fatal(err)
			}
			labels := &span.Labels{}
			what := OperationConfig{
				Method: "GET", URL: server.URL, DefaultUserAgent: "k6/2.2.0",
				Labels: func(*http.Request, *http.Response, error) *span.Labels { return labels },
			}
			b.ReportAllocs()
			for b.Loop() {
				req := k6Request(b, server.URL)
				transport := tt.base
				var op *Operation
				if tt.traced {
					op = client.Start(b.Context(), what)
					transport = op.Transport(tt.base, 1, 0)
				}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if op != nil {
					op.End(nil)
				}
			}
		})
	}
}

// k6Request is a request as k6 sends it: with its own connection hooks.
func k6Request(b *testing.B, url string) *http.Request {
	b.Helper()
	ctx := httptrace.WithClientTrace(b.Context(), logger(func(string) {}))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("User-Agent", "k6/2.2.0")
	return req
}
