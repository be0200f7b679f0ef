package toxics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const benchConnections = 16

// idleToxics are ours, of every type, each selecting nothing.
func idleToxics(tb testing.TB, r *rig) {
	tb.Helper()
	const none = `"match":{"path":"/nowhere"}`
	r.add(tb, "status", "http_status", `{"status":503,"probability":0}`)
	r.add(tb, "latency", "http_latency", `{"latency":100,`+none+`}`)
	r.add(tb, "header", "http_header", `{"remove":["traceparent"],`+none+`}`)
}

// deciding is a script that looks at every request and response.
func deciding(tb testing.TB, r *rig) {
	tb.Helper()
	r.add(tb, "script", "http_script", `{"script":
		"function onRequest(req, state) { state.n = (state.n || 0) + 1; if (req.path === '/no' || state.n < 0) return {status: 503}; }"}`)
}

// load sends n requests over the connections and returns how long each took.
func load(tb testing.TB, url string, n int) []time.Duration {
	tb.Helper()
	c := client(tb, benchConnections)
	defer c.CloseIdleConnections() // they would take from the turns that follow
	took := make([][]time.Duration, benchConnections)
	var all sync.WaitGroup
	for i := range benchConnections {
		all.Go(func() {
			for range n / benchConnections {
				start := time.Now()
				response, err := c.Get(url)
				if err != nil {
					tb.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	all.Wait()
	return slices.Concat(took...)
}

// side is one way to the service and what was measured on it, turn by turn.
type side struct {
	name  string
	url   string
	rates []float64 // requests per second
	cpu   []float64 // microseconds of the whole process per request: client, proxy, service
	took  []time.Duration
}

// turn sends requests and measures.
func (s *side) turn(tb testing.TB, requests int) {
	tb.Helper()
	start, cpu := time.Now(), cpuTime(tb)
	took := load(tb, s.url, requests)
	n := float64(len(took))
	s.cpu = append(s.cpu, float64((cpuTime(tb)-cpu).Microseconds())/n)
	s.rates = append(s.rates, n/time.Since(start).Seconds())
	s.took = append(s.took, took...)
}

// ratio is the median of the ratios of each turn: what else the machine does hits
// some of them, and mostly both sides of it.
func ratio(of, to []float64) float64 {
	out := make([]float64, len(of))
	for i := range of {
		out[i] = of[i] / to[i]
	}
	return median(out)
}

// cpuTime is what this process has taken so far.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (s *side) percentile(p float64) time.Duration {
	slices.Sort(s.took)
	return s.took[int(p*float64(len(s.took)-1))]
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// BenchmarkAgainstPlainProxy compares, in one run and in turns, toxiproxy's plain
// proxy, one with our toxics that select nothing, and one whose script decides
// every request. Ratios are of the medians of requests per second; those of CPU
// time, client and service included, say the same on a machine that is busy.
func BenchmarkAgainstPlainProxy(b *testing.B) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 1024))
	}))
	defer service.Close()
	upstream := service.Listener.Addr().String()
	plain := newProxy(b, upstream)
	require.NoError(b, plain.Start())
	defer plain.Stop()
	idle, script := newRig(b, upstream), newRig(b, upstream)
	idleToxics(b, idle)
	deciding(b, script)
	sides := []*side{
		{name: "plain", url: "http://" + plain.Listen + "/"},
		{name: "idle", url: idle.url("/")},
		{name: "script", url: script.url("/")},
	}
	const turns, requests = 31, 1600
	for _, s := range sides {
		load(b, s.url, requests) // warm
	}
	for b.Loop() {
		for turn := range turns {
			for i := range sides {
				sides[(i+turn)%len(sides)].turn(b, requests)
			}
		}
	}
	base := sides[0]
	b.ReportMetric(median(base.rates), "plain-req/s")
	b.ReportMetric(median(base.cpu), "plain-cpu-us/req")
	for _, s := range sides[1:] {
		b.ReportMetric(ratio(s.rates, base.rates), s.name+"-ratio")
		b.ReportMetric(ratio(base.cpu, s.cpu), s.name+"-cpu-ratio")
		for name, p := range map[string]float64{"p50": 0.5, "p99": 0.99} {
			added := s.percentile(p) - base.percentile(p)
			b.ReportMetric(float64(added.Microseconds()), s.name+"-added-"+name+"-us")
		}
	}
	require.Zero(b, idle.counts().Selected)
	require.Equal(b, script.counts().Seen, script.counts().Selected)
}
