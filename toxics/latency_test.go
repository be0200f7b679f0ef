package toxics

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDelaysAreBounded: whatever a distribution draws, no delay is below zero or above
// the bound, and each has some in between.
func TestDelaysAreBounded(t *testing.T) {
	t.Parallel()
	const most = maxLatency * time.Millisecond
	for _, distribution := range []string{"uniform", "normal", "pareto"} {
		f := &latencyFault{
			On: "request", Latency: maxLatency / 2, Jitter: maxLatency, Shape: 1.5,
			Distribution: distribution,
		}
		require.NoError(t, f.validate())
		random := rand.New(rand.NewPCG(1, 2))
		within, at := 0, 0
		for range 10_000 {
			d := f.delay(random)
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, most)
			if d == most {
				at++
			} else if d > 0 {
				within++
			}
		}
		assert.NotZero(t, at, distribution)
		assert.NotZero(t, within, distribution)
	}
}

// TestNothingOvertakesADelayThatIsJustOver: a delay's end may come between any two looks
// at the clock, and what waits behind it goes on behind it all the same.
func TestNothingOvertakesADelayThatIsJustOver(t *testing.T) {
	t.Parallel()
	const (
		response = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
		aborted  = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
	)
	for _, c := range []struct {
		name, want string
		answer     *answer
	}{
		{"a response", response, nil},
		{"an answer", aborted + response, &answer{status: 503}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i := range 40_000 {
				l := newLink(NewHub(t.Name()))
				l.hub.Close()
				r := newResponses(l)
				delay := time.Duration(i%2000) * 5 * time.Nanosecond
				l.push(&exchange{
					method: "GET", responseDelay: delay, answer: c.answer, abort: c.answer != nil,
				})
				if c.answer != nil {
					l.push(&exchange{method: "GET"})
				}
				r.take(&stream.StreamChunk{Data: []byte(response), Timestamp: time.Now()})
				enough := time.Now().Add(time.Minute)
				for len(r.out) < len(c.want) && time.Now().Before(enough) {
					r.process()
				}
				require.Equal(t, c.want, string(r.out), delay)
			}
		})
	}
}
