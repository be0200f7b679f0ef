package traced

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// errorType is the error.type of a round trip: the status as text for 4xx and
// 5xx, else one of a closed list, else empty. An iteration that k6 interrupted
// is not an error.
func (op *Operation) errorType(resp *http.Response, err error) string {
	switch {
	case err == nil && resp != nil && resp.StatusCode >= http.StatusBadRequest:
		return strconv.Itoa(resp.StatusCode)
	case err == nil || op.interrupted(err):
		return ""
	default:
		return failure(err)
	}
}

// interrupted reports whether k6 ended the iteration, as opposed to a timeout
// that the script set. k6 interrupts by cancelling, or by the deadline of the
// scenario: then the VU's context, which ctx is, has ended too.
func interrupted(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || ctx.Err() != nil && isTimeout(err)
}

func (op *Operation) interrupted(err error) bool { return interrupted(op.ctx, err) }

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// outcome is what the operation ends with: what its last round trip failed with, or
// what is said of it.
func (op *Operation) outcome(said error) error {
	op.mu.Lock()
	failed := op.failed
	op.mu.Unlock()
	switch {
	case failed == nil:
		return said
	case op.interrupted(failed): // whatever k6 calls it
		return nil
	default:
		return failed
	}
}

// failure names the cause of an operation's error, which may be that nothing was sent.
func (op *Operation) failure(err error) string {
	if op.RoundTrips() == 0 {
		return otherMethod
	}
	return failure(err)
}

// failure names the cause of an error. What came first decides: a timeout while
// the body is read is a timeout.
func failure(err error) string {
	var read *bodyError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case isDNS(err):
		return "dns"
	case isTimeout(err):
		return "timeout"
	case isRefused(err):
		return "connection_refused"
	case isTLS(err):
		return "tls"
	case errors.As(err, &read):
		return "body_read"
	case isReset(err):
		return "connection_reset"
	case isRedirects(err):
		return "too_many_redirects"
	default:
		return "protocol"
	}
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) || strings.HasSuffix(err.Error(), "no such host") // k6's dialer
}

// isRefused includes the hosts and networks that cannot be reached.
func isRefused(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) && op.Op == "dial"
}

func isTLS(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	text := err.Error()
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &certificate) ||
		errors.As(err, &authority) || errors.As(err, &hostname) ||
		strings.Contains(text, "tls: ") || strings.Contains(text, "response to HTTPS client")
}

func isReset(err error) bool {
	var op *net.OpError
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &op) {
		return true
	}
	text := err.Error()
	return strings.HasSuffix(text, "EOF") || strings.Contains(text, "connection closed") ||
		strings.Contains(text, "connection lost") ||
		strings.Contains(text, "server closed idle connection")
}

// isRedirects recognizes the error of http.Client, which has no type.
func isRedirects(err error) bool {
	text := err.Error()
	return strings.Contains(text, "stopped after ") && strings.HasSuffix(text, " redirects")
}

// statusMessage is the error as a span's status describes it. The URL that
// http.Client puts before it may hold secrets, and url.full has it anyway. Those
// that could not be parsed are quoted in the error itself.
func statusMessage(err error) string {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return redactQuoted(err.Error())
}
