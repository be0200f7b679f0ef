package traced

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// exportAnswer is what the endpoint answered to one export. The exporters
// themselves hide how many spans a partial success rejected.
type exportAnswer struct {
	mu       sync.Mutex
	answered bool
	rejected int64
	message  string
}

type exportKey struct{}

// watch returns a context whose export is entered into the answer.
func (a *exportAnswer) watch(ctx context.Context) context.Context {
	return context.WithValue(ctx, exportKey{}, a)
}

func (a *exportAnswer) get() (rejected uint64, message string, answered bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return uint64(max(a.rejected, 0)), a.message, a.answered
}

// enter notes an accepted request.
func enter(ctx context.Context, response *coltracepb.ExportTraceServiceResponse) {
	a, ok := ctx.Value(exportKey{}).(*exportAnswer)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered = true
	a.rejected = response.GetPartialSuccess().GetRejectedSpans()
	a.message = response.GetPartialSuccess().GetErrorMessage()
}

// watchExports is the interceptor that sees a gRPC endpoint's answers.
func watchExports(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if response, ok := reply.(*coltracepb.ExportTraceServiceResponse); ok && err == nil {
		enter(ctx, response)
	}
	return err
}

// watchHTTP is the transport that sees an HTTP endpoint's answers.
type watchHTTP struct{ *http.Transport }

// maxExportAnswer bounds the answer that is read, in bytes.
const maxExportAnswer = 4 << 20

// connectionError marks an error that the exporter may try again after: it looks
// for Temporary, which errors of the network do not have where they should.
type connectionError struct{ error }

// Temporary makes the exporter's retry policy apply, as gRPC's does by itself.
func (connectionError) Temporary() bool { return true }

// Unwrap returns the error of the connection.
func (e connectionError) Unwrap() error { return e.error }

// retryable marks what may pass: a connection refused, reset or closed.
func retryable(err error) error {
	if operation := new(net.OpError); errors.As(err, &operation) || errors.Is(err, io.EOF) {
		return connectionError{err}
	}
	return err
}

// RoundTrip implements http.RoundTripper. A 2xx that cannot be read as a partial
// success is taken for a full one: the endpoint did accept the request.
func (w watchHTTP) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.Transport.RoundTrip(req)
	if err != nil {
		return nil, retryable(err)
	}
	if resp.StatusCode/100 != 2 {
		return resp, nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxExportAnswer))
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close() // read to its end
	resp.Body = io.NopCloser(bytes.NewReader(text))
	response := &coltracepb.ExportTraceServiceResponse{}
	if resp.Header.Get("Content-Type") == "application/x-protobuf" {
		if err := proto.Unmarshal(text, response); err != nil {
			response.Reset()
		}
	}
	enter(req.Context(), response)
	return resp, nil
}
