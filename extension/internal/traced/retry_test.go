package traced

import (
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// policy is the default one with a number of attempts and no jitter.
func policy(attempts int) Retry {
	r := DefaultRetry()
	r.Attempts, r.Jitter = attempts, 0
	return r
}

func TestRetryByStatus(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for status, want := range map[int]bool{
		200: false, 304: false, 400: false, 404: false, 408: false, 429: true, 500: false,
		501: false, 502: true, 503: true, 504: true, 505: false,
	} {
		_, again := policy(2).Next(1, "GET", status, "", false, now)
		assert.Equal(t, want, again, status)
	}
	own := policy(2)
	own.Statuses = []int{500}
	_, again := own.Next(1, "GET", 500, "", false, now)
	assert.True(t, again)
	_, again = own.Next(1, "GET", 503, "", false, now)
	assert.False(t, again, "own statuses replace the list")
}

func TestRetryByError(t *testing.T) {
	t.Parallel()
	r := policy(2)
	_, again := r.Next(1, "GET", 0, "", true, time.Now())
	assert.True(t, again)
	r.Errors = false
	_, again = r.Next(1, "GET", 0, "", true, time.Now())
	assert.False(t, again)
	_, again = r.Next(1, "GET", 503, "", false, time.Now())
	assert.True(t, again, "statuses are another option")
}

func TestRetryOnlyIdempotentMethodsByDefault(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "PUT": true, "DELETE": true, "OPTIONS": true, "TRACE": true,
		"POST": false, "PATCH": false, "CONNECT": false, "PURGE": false,
	} {
		_, again := policy(2).Next(1, method, 503, "", false, time.Now())
		assert.Equal(t, want, again, method)
	}
	r := policy(2)
	r.Methods = []string{"POST"}
	_, again := r.Next(1, "POST", 503, "", false, time.Now())
	assert.True(t, again)
}

func TestRetryAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	for attempts := 1; attempts <= 20; attempts++ {
		r := policy(attempts)
		require.NoError(t, r.Validate())
		sent := 1
		for again := true; again; {
			if _, again = r.Next(sent, "GET", 503, "", false, time.Now()); again {
				sent++
			}
		}
		assert.Equal(t, attempts, sent)
	}
	assert.Equal(t, 1, DefaultRetry().Attempts, "the default sends once")
	require.NoError(t, DefaultRetry().Validate())
}

func TestRetryBackoffGrowsToItsMaximum(t *testing.T) {
	t.Parallel()
	r := policy(20)
	r.Initial, r.Multiplier, r.Max = 100*time.Millisecond, 2, time.Second
	var waits []time.Duration
	for attempt := 1; attempt <= 6; attempt++ {
		wait, again := r.Next(attempt, "GET", 503, "", false, time.Now())
		require.True(t, again)
		waits = append(waits, wait)
	}
	assert.Equal(t, []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		800 * time.Millisecond, time.Second, time.Second,
	}, waits)
	r.Initial, r.Multiplier = 0, 100
	wait, again := r.Next(19, "GET", 503, "", false, time.Now())
	assert.True(t, again)
	assert.Zero(t, wait)
}

func TestRetryJitterStaysInItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := DefaultRetry()
		r.Attempts = 20
		r.Jitter = rapid.Float64Range(0, 1).Draw(t, "jitter")
		r.Multiplier = rapid.Float64Range(1, 100).Draw(t, "multiplier")
		r.Initial = time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "initial"))
		r.Max = r.Initial + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "more"))
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		attempt := rapid.IntRange(1, 19).Draw(t, "attempt")
		wait, again := r.Next(attempt, "GET", 503, "", false, time.Now())
		middle := min(float64(r.Initial)*math.Pow(r.Multiplier, float64(attempt-1)), float64(r.Max))
		low, high := middle*(1-r.Jitter)-1, min(middle*(1+r.Jitter), float64(r.Max))+1
		if !again || float64(wait) < low || float64(wait) > high {
			t.Fatalf("wait %v is not within %v and %v", wait, time.Duration(low), time.Duration(high))
		}
	})
	r, seen := DefaultRetry(), make(map[time.Duration]bool)
	r.Attempts = 2
	for range 100 {
		wait, _ := r.Next(1, "GET", 503, "", false, time.Now())
		seen[wait] = true
	}
	assert.Greater(t, len(seen), 50, "the waits differ")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const own = 100 * time.Millisecond // the policy's own wait
	for value, want := range map[string]time.Duration{
		"":                     own,
		"0":                    0,
		"3":                    3 * time.Second,
		"\t7\t":                7 * time.Second,
		"3600":                 time.Hour,
		"86400":                time.Hour,
		"99999999999999999999": time.Hour,
		now.Add(90 * time.Second).Format(http.TimeFormat):             90 * time.Second,
		now.Add(-time.Minute).Format(http.TimeFormat):                 0,
		now.Add(48 * time.Hour).Format(http.TimeFormat):               time.Hour,
		now.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT"): time.Minute, // RFC 850
		now.Add(time.Minute).Format(time.ANSIC):                       time.Minute,
		"-1":                                                          own,
		"1.5":                                                         own,
		"soon":                                                        own,
	} {
		wait, again := policy(2).Next(1, "GET", 503, value, false, now)
		assert.True(t, again)
		assert.Equal(t, want, wait, value)
	}
	r := policy(2)
	r.RespectRetryAfter = false
	wait, _ := r.Next(1, "GET", 503, "3", false, now)
	assert.Equal(t, own, wait)
	_, again := policy(1).Next(1, "GET", 503, "3", false, now)
	assert.False(t, again, "Retry-After grants no attempt")
}

func TestRetryErrorsNameTheOption(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Retry){
		"retry.attempts must be between 1 and 20, got 0":            func(r *Retry) { r.Attempts = 0 },
		"retry.attempts must be between 1 and 20, got 21":           func(r *Retry) { r.Attempts = 21 },
		"retry.backoff.multiplier must be between 1 and 100, got 0": func(r *Retry) { r.Multiplier = 0 },
		"retry.backoff.multiplier must be between 1 and 100, got NaN": func(r *Retry) {
			r.Multiplier = math.NaN()
		},
		"retry.backoff.jitter must be between 0 and 1, got 1.5": func(r *Retry) { r.Jitter = 1.5 },
		"retry.backoff times must be 0 or more, got initial -1s and max 5s": func(r *Retry) {
			r.Initial = -time.Second
		},
		"retry.backoff.initial must be at most max (5s), got 6s": func(r *Retry) { r.Initial = 6 * time.Second },
		"retry.statuses must be between 100 and 599, got 600":    func(r *Retry) { r.Statuses = []int{600} },
		`retry.methods must be upper-case methods, got "get"`:    func(r *Retry) { r.Methods = []string{"get"} },
		`retry.methods must be upper-case methods, got ""`:       func(r *Retry) { r.Methods = []string{""} },
	} {
		r := DefaultRetry()
		change(&r)
		require.EqualError(t, r.Validate(), want)
	}
}

func TestRetriesAreAttemptsWithTheirBackoff(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	calls := 0
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		if calls < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	op := r.client(ClientConfig{}).Start(t.Context(), operation("GET", server.URL))
	for i, backoff := range []time.Duration{0, time.Second, 2 * time.Second} {
		client := &http.Client{Transport: op.Transport(r.base, i+1, backoff)}
		resp, err := client.Do(request(t, "GET", server.URL))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	op.End(nil)
	var got []string
	for _, a := range r.sink.all() {
		got = append(got, strconv.Itoa(int(a.Number))+" "+strconv.Itoa(int(a.Status))+" "+
			time.Duration(a.Backoff).String())
	}
	assert.Equal(t, []string{"1 503 0s", "2 503 1s", "3 200 2s"}, got)
}
