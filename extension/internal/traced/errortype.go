package traced

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
)

// errorType is the error.type of a round trip: the status as text for 4xx and
// 5xx, else one of a closed list, else empty. An iteration that k6 interrupted
// is not an error.
func errorType(resp *http.Response, err error) string {
	switch {
	case err == nil && resp != nil && resp.StatusCode >= http.StatusBadRequest:
		return strconv.Itoa(resp.StatusCode)
	case err == nil || interrupted(err):
		return ""
	}
	return failure(err)
}

// interrupted reports whether k6 ended the iteration, as opposed to a timeout.
func interrupted(err error) bool {
	return errors.Is(err, context.Canceled)
}

func failure(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var read *bodyError
	switch {
	case errors.As(err, &dns):
		return "dns"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case isTLS(err):
		return "tls"
	case errors.As(err, &read):
		return "body_read"
	case isReset(err):
		return "connection_reset"
	default:
		return "protocol"
	}
}

func isTLS(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &certificate) ||
		errors.As(err, &authority) || errors.As(err, &hostname) || strings.Contains(err.Error(), "tls: ")
}

func isReset(err error) bool {
	var op *net.OpError
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &op) {
		return true
	}
	text := err.Error()
	return strings.HasSuffix(text, "EOF") || strings.Contains(text, "connection closed") ||
		strings.Contains(text, "server closed idle connection")
}
