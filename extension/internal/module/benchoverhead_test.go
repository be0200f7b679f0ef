package module

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/sobek"
	"github.com/stretchr/testify/require"
)

// BenchmarkOverhead is our own work on a request: k6/http and ours alternate on
// one VU over a transport that answers at once, so that the difference of their
// CPU times is neither network nor server.
func BenchmarkOverhead(b *testing.B) {
	module := New()
	startWithoutSource(b, module.run)
	v := newBenchVU(b, module, "http://127.0.0.1:9", tracedDefault)
	v.state.Transport = instant{}
	compareSides(b, []*benchVU{v}, 20)
}

// noConn is the connection of [instant]; only its address is ever asked for.
type noConn struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (noConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

// instant answers at once and calls the connection hooks as the real one does.
type instant struct{}

// RoundTrip implements http.RoundTripper.
func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	hooks := httptrace.ContextClientTrace(req.Context())
	hooks.GetConn("")
	hooks.GotConn(httptrace.GotConnInfo{Conn: noConn{}, Reused: true})
	hooks.WroteRequest(httptrace.WroteRequestInfo{})
	hooks.GotFirstResponseByte()
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Length": {"2"}}, ContentLength: 2,
		Body: io.NopCloser(strings.NewReader("ok")), Request: req,
	}, nil
}

func startWithoutSource(b *testing.B, r *run) {
	b.Helper()
	r.settings.source, r.settings.results = "none", b.TempDir()
	r.lookup = func(string) (string, bool) { return "", false }
	r.env = func() []string { return nil }
	_, err := r.start()
	require.NoError(b, err)
	b.Cleanup(func() {
		close(r.settler.stop)
		r.settler.stopped.Wait()
	})
}

// compareSides alternates between the sides until the benchmark's time is over.
// Between two measurements every VU runs its function a number of times.
func compareSides(b *testing.B, vus []*benchVU, times int) (traced benchSide) {
	b.Helper()
	var plain benchSide
	plain.measure(vus, times, plainSide)
	traced.measure(vus, times, tracedSide)
	plain, traced = benchSide{}, benchSide{}
	for b.Loop() {
		plain.measure(vus, times, plainSide)
		traced.measure(vus, times, tracedSide)
	}
	b.ReportMetric(plain.rate(), "plain-req/s")
	b.ReportMetric(traced.rate(), "traced-req/s")
	b.ReportMetric(traced.rate()/plain.rate(), "traced/plain")
	b.ReportMetric(plain.cpu(), "plain-cpu-µs/req")
	b.ReportMetric(traced.cpu(), "traced-cpu-µs/req")
	b.ReportMetric(traced.cpu()-plain.cpu(), "extra-cpu-µs/req")
	b.ReportMetric(plain.allocations(), "plain-allocs/req")
	b.ReportMetric(traced.allocations(), "traced-allocs/req")
	b.ReportMetric(traced.allocated()-plain.allocated(), "extra-B/req")
	return traced
}

// benchSide adds up what one side needed. Rates and CPU times are medians, as
// the machine may have other things to do.
type benchSide struct {
	requests       int
	rates, spent   []float64 // requests/s, and µs of CPU time per request, the server's too
	mallocs, bytes uint64
}

func (s *benchSide) measure(vus []*benchVU, times int, side func(*benchVU) sobek.Callable) {
	requests := len(vus) * times * benchRequests
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu := time.Now(), cpuTime()
	var wg sync.WaitGroup
	for _, v := range vus {
		wg.Go(func() {
			for range times {
				if _, err := side(v)(sobek.Undefined()); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	s.rates = append(s.rates, float64(requests)/time.Since(began).Seconds())
	s.spent = append(s.spent, float64((cpuTime()-cpu).Microseconds())/float64(requests))
	runtime.ReadMemStats(&after)
	s.mallocs += after.Mallocs - before.Mallocs
	s.bytes += after.TotalAlloc - before.TotalAlloc
	s.requests += requests
}

func (s *benchSide) rate() float64        { return median(s.rates) }
func (s *benchSide) cpu() float64         { return median(s.spent) }
func (s *benchSide) allocations() float64 { return float64(s.mallocs) / float64(s.requests) }
func (s *benchSide) allocated() float64   { return float64(s.bytes) / float64(s.requests) }

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// cpuTime is what the process has used, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func plainSide(v *benchVU) sobek.Callable  { return v.plain }
func tracedSide(v *benchVU) sobek.Callable { return v.traced }
