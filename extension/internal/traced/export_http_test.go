package traced

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExportOverHTTPOutlivesALostConnection: what a gRPC exporter does by itself.
func TestExportOverHTTPOutlivesALostConnection(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	server := serve(t, func(http.ResponseWriter, *http.Request) {
		if calls.Add(1) > 2 {
			return
		}
		panic(http.ErrAbortHandler) // closes the connection without an answer
	})
	e := newExporting(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
		inOnePiece: "3600000",
	})
	e.burst(10)
	e.shutdown()
	assert.Equal(t, uint64(10), e.identity().Exported)
	assert.EqualValues(t, 3, calls.Load())
	assert.Empty(t, e.told(), "nothing was lost")
}

func TestExportOverHTTPDoesNotRetryWhatWillNotPass(t *testing.T) {
	t.Parallel()
	require.ErrorAs(t, retryable(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), new(connectionError))
	require.ErrorAs(t, retryable(io.EOF), new(connectionError))
	for _, err := range []error{context.Canceled, &tls.CertificateVerificationError{}} {
		assert.Equal(t, err, retryable(err))
	}
}
