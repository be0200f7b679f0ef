package traced

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Retry is the retry policy of a client. The zero value sends once.
type Retry struct {
	Attempts          int           // sends in total, the first included: 1 to 20
	Statuses          []int         // statuses that are sent again
	Errors            bool          // whether transport errors are sent again
	Methods           []string      // methods that may be sent again, upper case
	Initial           time.Duration // wait before the second attempt
	Max               time.Duration // longest wait
	Multiplier        float64       // growth of the wait, 1 or more
	Jitter            float64       // random share of the wait, 0 to 1
	RespectRetryAfter bool          // a Retry-After header sets the wait
}

// DefaultRetry is the policy that options are applied to: it sends once.
func DefaultRetry() Retry {
	return Retry{
		Attempts: 1,
		Statuses: []int{
			http.StatusBadGateway, http.StatusServiceUnavailable,
			http.StatusGatewayTimeout, http.StatusTooManyRequests,
		},
		Errors: true,
		Methods: []string{
			http.MethodGet, http.MethodHead, http.MethodPut,
			http.MethodDelete, http.MethodOptions, http.MethodTrace,
		},
		Initial: 100 * time.Millisecond, Max: 5 * time.Second, Multiplier: 2, Jitter: 0.2,
		RespectRetryAfter: true,
	}
}

const maxAttempts = 20

// Validate reports the first field that is out of range.
func (r Retry) Validate() error {
	if r.Attempts < 1 || r.Attempts > maxAttempts {
		return fmt.Errorf("retry.attempts must be between 1 and %d, got %d",
			maxAttempts, r.Attempts)
	}
	if err := r.validateBackoff(); err != nil {
		return err
	}
	for _, status := range r.Statuses {
		if status < 100 || status > 599 {
			return fmt.Errorf("retry.statuses must be between 100 and 599, got %d", status)
		}
	}
	for _, method := range r.Methods {
		if method == "" || strings.ToUpper(method) != method {
			return fmt.Errorf("retry.methods must be upper-case methods, got %q", method)
		}
	}
	return nil
}

func (r Retry) validateBackoff() error {
	switch {
	case r.Multiplier < 1 || math.IsNaN(r.Multiplier) || r.Multiplier > 100:
		return fmt.Errorf("retry.backoff.multiplier must be between 1 and 100, got %v",
			r.Multiplier)
	case r.Jitter < 0 || r.Jitter > 1 || math.IsNaN(r.Jitter):
		return fmt.Errorf("retry.backoff.jitter must be between 0 and 1, got %v", r.Jitter)
	case r.Initial < 0 || r.Max < 0:
		return fmt.Errorf("retry.backoff times must be 0 or more, got initial %s and max %s",
			r.Initial, r.Max)
	case r.Initial > r.Max:
		return fmt.Errorf("retry.backoff.initial must be at most max (%s), got %s",
			r.Max, r.Initial)
	default:
		return nil
	}
}

// Next decides after attempt number attempt (1 for the first) whether another
// one follows, and after which wait. A status of 0 with failed set is a
// transport error; retryAfter is the value of the response's Retry-After.
func (r Retry) Next(
	attempt int, method string, status int, retryAfter string, failed bool, now time.Time,
) (wait time.Duration, again bool) {
	switch {
	case attempt >= r.Attempts || !slices.Contains(r.Methods, method):
		return 0, false
	case failed && !r.Errors, !failed && !slices.Contains(r.Statuses, status):
		return 0, false
	}
	if r.RespectRetryAfter {
		if wait, ok := parseRetryAfter(retryAfter, now); ok {
			return wait, true
		}
	}
	return r.backoff(attempt), true
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = time.Hour

// parseRetryAfter reads seconds or an HTTP date (RFC 9110 section 10.2.3).
func parseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(value, 10, 32)
	switch {
	case err == nil:
		return min(time.Duration(seconds)*time.Second, maxRetryAfter), true
	case errors.Is(err, strconv.ErrRange):
		return maxRetryAfter, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(0, at.Sub(now)), maxRetryAfter), true
}

func (r Retry) backoff(attempt int) time.Duration {
	wait := min(float64(r.Initial)*math.Pow(r.Multiplier, float64(attempt-1)), float64(r.Max))
	wait *= 1 + r.Jitter*(2*rand.Float64()-1) //nolint:gosec // jitter needs no secrecy
	return time.Duration(min(wait, float64(r.Max)))
}
