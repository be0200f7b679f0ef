package otlp_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
)

// heard starts a receiver whose warnings are waited for.
func heard(t *testing.T) (*otlp.Receiver, func() string) {
	t.Helper()
	warnings := make(chan string, 10)
	r, _ := listen(t, func(c *otlp.Config) { c.OnWarn = func(s string) { warnings <- s } })
	return r, func() string {
		select {
		case s := <-warnings:
			return s
		case <-time.After(10 * time.Second):
			return ""
		}
	}
}

func post(t *testing.T, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	noError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err == nil {
		noError(t, res.Body.Close())
	}
}

func TestGRPCAtThePortOfHTTPIsWarnedOf(t *testing.T) {
	t.Parallel()
	r, warning := heard(t)
	cc, err := grpc.NewClient(r.HTTPAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	noError(t, err)
	defer func() { noError(t, cc.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // it waits for a connection until the test ends
		_, _ = collector.NewTraceServiceClient(cc).
			Export(ctx, request("a", serverSpan(1)), grpc.WaitForReady(true))
	}()
	equal(t, "listen.http "+r.HTTPAddr()+" was spoken to in gRPC: gRPC is received on "+r.GRPCAddr()+
		", or set the sender's OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", warning())
}

func TestHTTPAtThePortOfGRPCIsWarnedOf(t *testing.T) {
	t.Parallel()
	r, warning := heard(t)
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.GRPCAddr())
	noError(t, err)
	defer func() { noError(t, c.Close()) }()
	// Not by net/http: it gives up before it has sent anything, if the server's own
	// greeting is faster.
	_, err = io.WriteString(c, "POST /v1/traces HTTP/1.1\r\nHost: "+r.GRPCAddr()+"\r\n\r\n")
	noError(t, err)
	equal(t, "listen.grpc "+r.GRPCAddr()+" was spoken to in HTTP: HTTP is received on "+r.HTTPAddr()+
		", or set the sender's OTEL_EXPORTER_OTLP_PROTOCOL=grpc", warning())
}

func TestSpansForTheRootPathAreWarnedOf(t *testing.T) {
	t.Parallel()
	r, warning := heard(t)
	post(t, "http://"+r.HTTPAddr())
	equal(t, "listen.http "+r.HTTPAddr()+" refuses what is sent to the path /: "+
		"traces are received at /v1/traces", warning())
}

// TestWhatIsNotASenderIsNotWarnedOf: checks of health and ports are none.
func TestWhatIsNotASenderIsNotWarnedOf(t *testing.T) {
	t.Parallel()
	var warned string
	r, _ := listen(t, func(c *otlp.Config) { c.OnWarn = func(s string) { warned = s } })
	for _, address := range []string{r.HTTPAddr(), r.GRPCAddr()} {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		noError(t, err)
		noError(t, c.Close())
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.HTTPAddr(), nil)
	noError(t, err)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	noError(t, err)
	noError(t, res.Body.Close())
	noError(t, r.Shutdown(t.Context()))
	equal(t, "", warned)
}
